#include "engine/parquet_reads.h"

#include <algorithm>
#include <array>
#include <utility>

#include "config/limits.h"

namespace eider::engine {
namespace {

constexpr int64_t kTrailerBytes = 8;

std::shared_ptr<const ParquetLayout> Read(const cache::Source& source,
                                          const cache::ObjectPtr& object, cache::Reader& reader,
                                          cache::QueryReads& reads) {
  const int64_t size = object->version().size;
  std::array<uint8_t, kTrailerBytes> trailer{};
  if (!reader.Read(source, object, size - kTrailerBytes, trailer, reads).ok()) return nullptr;
  const auto length = FooterLength(trailer);
  if (!length || *length > std::min(config::kMaxParquetFooterBytes, size - kTrailerBytes)) {
    return nullptr;
  }
  std::vector<uint8_t> footer(static_cast<size_t>(*length));
  const int64_t begin = size - kTrailerBytes - *length;
  if (!reader.Read(source, object, begin, footer, reads).ok()) return nullptr;
  return ParseParquetLayout(footer, size);
}

}  // namespace

bool IsLargeParquet(const std::string& path, int64_t size) {
  return size > config::kOpeningBytes &&
         (path.ends_with(".parquet") || path.ends_with(".parq") || path.ends_with(".pq"));
}

std::shared_ptr<const ParquetLayout> ParquetLayouts::Of(const cache::Source& source,
                                                        const cache::ObjectPtr& object,
                                                        cache::Reader& reader,
                                                        cache::QueryReads& reads) {
  const std::string key = object->url() + '\n' + object->version().etag;
  {
    base::MutexLock lock(mutex_);
    if (const auto found = layouts_.find(key); found != layouts_.end()) return found->second;
  }
  std::shared_ptr<const ParquetLayout> layout = Read(source, object, reader, reads);
  base::MutexLock lock(mutex_);
  if (layouts_.try_emplace(key, layout).second) age_.push_back(key);
  while (layouts_.size() > config::kMaxParquetLayouts) {
    layouts_.erase(age_.front());
    age_.pop_front();
  }
  return layout;
}

void ParquetReads::Plan(const std::vector<std::string>& columns) {
  base::MutexLock lock(mutex_);
  uses_.Plan(columns);
}

std::vector<cache::Reader::Extent> ParquetReads::Observe(
    const cache::Source& source, const cache::ObjectPtr& object, int64_t offset, int64_t length,
    ParquetLayouts& layouts, cache::Reader& reader, cache::QueryReads& reads) {
  // DuckDB begins with the footer: until it is past it, there is nothing to know yet.
  if (offset + length == object->version().size) return {};
  {
    base::MutexLock lock(mutex_);
    if (const auto found = files_.find(object.get()); found != files_.end()) {
      return found->second ? found->second->Observe(offset, length)
                           : std::vector<cache::Reader::Extent>();
    }
  }
  // Not under the lock: it may wait for S3.
  auto layout = layouts.Of(source, object, reader, reads);
  base::MutexLock lock(mutex_);
  std::unique_ptr<ReadAhead>& ahead = files_[object.get()];
  if (!ahead && layout) {
    std::shared_ptr<ColumnUse> use = uses_.Of(*layout);
    ahead = std::make_unique<ReadAhead>(
        std::move(layout),
        ReadAheadLimits{.max_bytes_ahead = config::kMaxReadAheadBytes,
                        .max_row_groups_ahead = config::kMaxRowGroupsAhead},
        std::move(use));
  }
  return ahead ? ahead->Observe(offset, length) : std::vector<cache::Reader::Extent>();
}

}  // namespace eider::engine
