// The files of a cache directory (format.h) and its lock.
#pragma once

#include <arrow/result.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "cache/format.h"
#include "cache/write_gate.h"

namespace eider::cache {

// Thread-safe, as far as callers keep off each other's slots. Calls that return false have failed
// with errno set.
class BlockDirectory {
 public:
  enum class Access { kWrite, kRead };
  // kWrite: makes the directory where it is missing, takes its lock for this object's life, and
  // clears what is of an older format or of none. kRead: changes nothing and needs no lock.
  // Errors: INVALID_QUERY, naming the directory, when another process has the lock (with its pid),
  // it is of a newer format, it cannot be written, or (kRead) it is no cache.
  static arrow::Result<std::unique_ptr<BlockDirectory>> Open(const std::string& path,
                                                             Access access);
  ~BlockDirectory();
  BlockDirectory(const BlockDirectory&) = delete;
  BlockDirectory& operator=(const BlockDirectory&) = delete;

  const std::string& path() const { return path_; }

  // Calls `visit` with each record that may have been written, in the order of slots; holes of the
  // file are passed over. Ends at the first error of the disk, with what was read until then.
  void ForEachRecord(const std::function<void(int64_t slot, RecordSpan record)>& visit) const;
  bool ReadRecord(int64_t slot, Record& record) const;
  bool ReadPagesPart(int64_t slot, PagesPart& part) const;
  // False also where the file ends before `out` is full.
  bool ReadData(int64_t slot, int64_t offset, std::span<uint8_t> out) const;

  bool WriteRecord(int64_t slot, const Record& record);
  bool WritePagesPart(int64_t slot, const PagesPart& part);
  bool WriteData(int64_t slot, int64_t offset, std::span<const uint8_t> bytes);
  // From now on the slot holds nothing; its pages are to be punched after that.
  bool ClearRecord(int64_t slot);
  // Gives disk space back to the file system; nothing where that is not supported.
  void Punch(int64_t slot, int64_t count);
  void PunchPages(int64_t slot, uint64_t pages);
  bool can_punch() const { return can_punch_; }
  // Cuts both files to nothing.
  bool Truncate();

  // INVALID_QUERY: "the cache directory PATH <why>".
  arrow::Status Unusable(const std::string& why) const;

  // All 0 where it cannot be told.
  DiskSpace Space() const;

 private:
  explicit BlockDirectory(std::string path) : path_(std::move(path)) {}
  arrow::Status Lock();
  arrow::Status CheckFormat(Access access);
  arrow::Status OpenFiles(Access access);
  void PunchRange(int64_t offset, int64_t length);

  const std::string path_;
  int lock_fd_ = -1;
  int index_fd_ = -1;
  int data_fd_ = -1;
  bool clear_ = false;  // what is there is of an older format
  std::atomic<bool> can_punch_{true};
};

// Where the cache is that a person means by `path`: there, or in its folder `blocks`, as in a
// worker's --cache-dir. Errors: NOT_FOUND, naming `path` and what may have been meant.
arrow::Result<std::string> FindCacheDirectory(const std::string& path);

}  // namespace eider::cache
