// A file that httpfs reads or writes: everything that is not read through the cache.
#pragma once

#include <memory>
#include <utility>

#include "engine/query_state.h"
#include "engine/remote_handle.h"

namespace eider::engine {

class HttpfsHandle final : public RemoteHandle {
 public:
  // `state` is the query whose reads are counted; nullptr: none.
  HttpfsHandle(duckdb::FileSystem& file_system, duckdb::unique_ptr<duckdb::FileHandle> inner,
               duckdb::shared_ptr<QueryState> state)
      : RemoteHandle(file_system, inner->path, inner->flags),
        inner_(std::move(inner)),
        state_(std::move(state)) {}

  void Close() override { inner_->Close(); }
  duckdb::idx_t GetProgress() override { return inner_->GetProgress(); }
  duckdb::FileCompressionType GetFileCompressionType() override {
    return inner_->GetFileCompressionType();
  }

  void ReadAt(void* buffer, int64_t bytes, int64_t at) override {
    inner_->file_system.Read(*inner_, buffer, bytes, at);
    Count(bytes);
  }
  int64_t ReadOn(void* buffer, int64_t bytes) override {
    const int64_t got = inner_->file_system.Read(*inner_, buffer, bytes);
    Count(got);
    return got;
  }
  int64_t Size() override { return inner_->file_system.GetFileSize(*inner_); }
  duckdb::timestamp_t ModifiedAt() override {
    return inner_->file_system.GetLastModifiedTime(*inner_);
  }
  std::string VersionTag() override { return inner_->file_system.GetVersionTag(*inner_); }
  duckdb::FileType Type() override { return inner_->file_system.GetFileType(*inner_); }
  duckdb::FileMetadata Metadata() override { return inner_->file_system.Stats(*inner_); }
  void SeekTo(duckdb::idx_t at) override { inner_->file_system.Seek(*inner_, at); }
  duckdb::idx_t Position() override { return inner_->file_system.SeekPosition(*inner_); }
  void Rewind() override { inner_->file_system.Reset(*inner_); }
  duckdb::FileHandle& httpfs() override { return *inner_; }

 private:
  void Count(int64_t bytes) {
    if (state_) state_->CountPassedRead(bytes);
  }

  const duckdb::unique_ptr<duckdb::FileHandle> inner_;
  const duckdb::shared_ptr<QueryState> state_;
};

}  // namespace eider::engine
