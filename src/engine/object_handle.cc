#include "engine/object_handle.h"

#include <algorithm>
#include <utility>

#include "config/limits.h"
#include "duckdb/common/exception.hpp"
#include "duckdb/common/types/timestamp.hpp"
#include "engine/errors.h"

namespace eider::engine {

ObjectHandle::ObjectHandle(duckdb::FileSystem& file_system, std::string path,
                           duckdb::FileOpenFlags flags, ReadPath& read_path, cache::Source source,
                           cache::ObjectPtr object, duckdb::shared_ptr<QueryState> state)
    : RemoteHandle(file_system, std::move(path), flags),
      read_path_(read_path),
      object_(std::move(object)),
      state_(std::move(state)),
      parquet_(IsLargeParquet(this->path, object_->version().size)),
      source_(std::move(source)) {}

cache::Source ObjectHandle::CurrentSource() {
  base::MutexLock lock(mutex_);
  return source_;
}

void ObjectHandle::ReadAt(void* buffer, int64_t bytes, int64_t at) {
  if (bytes <= 0) return;
  if (at < 0 || at + bytes > Size()) {
    throw duckdb::IOException("\"%s\": bytes %lld to %lld were asked for, and it has %lld", path,
                              at, at + bytes, Size());
  }
  const std::span<uint8_t> out(static_cast<uint8_t*>(buffer), static_cast<size_t>(bytes));
  cache::Source source = CurrentSource();
  if (parquet_) FetchAhead(source, at, bytes);
  arrow::Status status = read_path_.reader().Read(source, object_, at, out, state_->reads());
  if (!status.ok() && read_path_.RenewAccess(status, *state_, &source)) {
    status = read_path_.reader().Read(source, object_, at, out, state_->reads());
    base::MutexLock lock(mutex_);
    source_ = std::move(source);
  }
  if (!status.ok()) state_->ThrowFailedRead(status);
}

void ObjectHandle::FetchAhead(const cache::Source& source, int64_t at, int64_t bytes) {
  std::vector<cache::Reader::Extent> extents = state_->parquet().Observe(
      source, object_, at, bytes, read_path_.layouts(), read_path_.reader(), state_->reads());
  if (extents.empty()) return;
  // What DuckDB waits for goes out first.
  extents.insert(extents.begin(), {at, bytes});
  read_path_.reader().Prefetch(source, object_, extents, state_->reads());
}

int64_t ObjectHandle::ReadOn(void* buffer, int64_t bytes) {
  const int64_t left = std::max<int64_t>(0, Size() - position_);
  const int64_t take = std::min(bytes, left);
  if (take <= 0) return 0;
  ReadAhead(take);
  ReadAt(buffer, take, position_);
  position_ += take;
  return take;
}

void ObjectHandle::ReadAhead(int64_t bytes) {
  if (position_ > ahead_until_) {
    // It jumped: what was asked for ahead is of no use any more.
    ahead_until_ = position_;
    ahead_window_ = 0;
  }
  if (position_ + bytes <= ahead_until_) return;
  ahead_window_ = std::clamp(2 * ahead_window_, config::kMinReadAheadBytes,
                             std::max(config::kMaxReadAheadBytes, bytes));
  const int64_t end = std::min(Size(), position_ + std::max(bytes, ahead_window_));
  read_path_.reader().Prefetch(CurrentSource(), object_, {{ahead_until_, end - ahead_until_}},
                               state_->reads());
  ahead_until_ = end;
}

duckdb::timestamp_t ObjectHandle::ModifiedAt() {
  return duckdb::Timestamp::FromEpochMs(object_->version().last_modified_ms);
}

duckdb::FileMetadata ObjectHandle::Metadata() {
  duckdb::FileMetadata metadata;
  metadata.file_size = Size();
  metadata.last_modification_time = ModifiedAt();
  metadata.file_type = Type();
  return metadata;
}

duckdb::FileHandle& ObjectHandle::httpfs() {
  throw duckdb::IOException("\"%s\" was opened to be read", path);
}

}  // namespace eider::engine
