// What an open file of a RemoteFileSystem can do, whichever way its bytes come.
#pragma once

#include <cstdint>
#include <string>

#include "duckdb/common/file_system.hpp"

namespace eider::engine {

// Used by one thread at a time, apart from ReadAt. Throws what DuckDB's file systems throw.
class RemoteHandle : public duckdb::FileHandle {
 public:
  using duckdb::FileHandle::FileHandle;

  // Fills `buffer` from `at`; throws where the file ends before. Thread-safe.
  virtual void ReadAt(void* buffer, int64_t bytes, int64_t at) = 0;
  // Reads on from the position; returns how many bytes, 0 at the end.
  virtual int64_t ReadOn(void* buffer, int64_t bytes) = 0;
  virtual int64_t Size() = 0;
  virtual duckdb::timestamp_t ModifiedAt() = 0;
  virtual std::string VersionTag() = 0;
  virtual duckdb::FileType Type() = 0;
  virtual duckdb::FileMetadata Metadata() = 0;
  virtual void SeekTo(duckdb::idx_t at) = 0;
  virtual duckdb::idx_t Position() = 0;
  virtual void Rewind() = 0;
  // httpfs's own handle where it is one: what writes go to. Throws where the file was opened to be
  // read through the cache.
  virtual duckdb::FileHandle& httpfs() = 0;
};

}  // namespace eider::engine
