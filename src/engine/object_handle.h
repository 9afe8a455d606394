// An object that is read through the cache.
#pragma once

#include <memory>
#include <string>

#include "base/mutex.h"
#include "cache/reader.h"
#include "engine/query_state.h"
#include "engine/read_path.h"
#include "engine/remote_handle.h"

namespace eider::engine {

class ObjectHandle final : public RemoteHandle {
 public:
  ObjectHandle(duckdb::FileSystem& file_system, std::string path, duckdb::FileOpenFlags flags,
               ReadPath& read_path, cache::Source source, cache::ObjectPtr object,
               duckdb::shared_ptr<QueryState> state);

  void Close() override {}

  void ReadAt(void* buffer, int64_t bytes, int64_t at) override;
  int64_t ReadOn(void* buffer, int64_t bytes) override;
  int64_t Size() override { return object_->version().size; }
  duckdb::timestamp_t ModifiedAt() override;
  std::string VersionTag() override { return object_->version().etag; }
  duckdb::FileType Type() override { return duckdb::FileType::FILE_TYPE_REGULAR; }
  duckdb::FileMetadata Metadata() override;
  void SeekTo(duckdb::idx_t at) override { position_ = static_cast<int64_t>(at); }
  duckdb::idx_t Position() override { return static_cast<duckdb::idx_t>(position_); }
  void Rewind() override { position_ = 0; }
  duckdb::FileHandle& httpfs() override;

 private:
  cache::Source CurrentSource();
  // Starts fetching what DuckDB will read of a Parquet file besides what it reads now.
  void FetchAhead(const cache::Source& source, int64_t at, int64_t bytes);
  // Starts fetching what a reader that goes on from front to back comes to next.
  void ReadAhead(int64_t bytes);

  ReadPath& read_path_;
  const cache::ObjectPtr object_;
  const duckdb::shared_ptr<QueryState> state_;
  const bool parquet_;

  base::Mutex mutex_;
  cache::Source source_ EIDER_GUARDED_BY(mutex_);  // another after its credentials were renewed

  // The thread of ReadOn only.
  int64_t position_ = 0;
  int64_t ahead_until_ = 0;   // bytes before it were asked for ahead
  int64_t ahead_window_ = 0;  // doubles with each step
};

}  // namespace eider::engine
