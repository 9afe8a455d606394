// What one query reads of Parquet files: which chunks to fetch before DuckDB comes to them.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "cache/reader.h"
#include "engine/parquet_layout.h"
#include "engine/read_ahead.h"

namespace eider::engine {

// The layouts of files that were read lately, kMaxParquetLayouts of them. Thread-safe.
class ParquetLayouts {
 public:
  // Reads the footer, which DuckDB has read just before, unless the layout is known. nullptr where
  // there is none to be had. Does not report failures: DuckDB's own read does.
  std::shared_ptr<const ParquetLayout> Of(const cache::Source& source,
                                          const cache::ObjectPtr& object, cache::Reader& reader,
                                          cache::QueryReads& reads);

 private:
  base::Mutex mutex_;
  // By URL and ETag; nullptr: it was looked for, and there is none.
  std::unordered_map<std::string, std::shared_ptr<const ParquetLayout>> layouts_
      EIDER_GUARDED_BY(mutex_);
  std::deque<std::string> age_ EIDER_GUARDED_BY(mutex_);
};

// One for each query. Thread-safe.
class ParquetReads {
 public:
  // The names of columns that the query's plan reads whole.
  void Plan(const std::vector<std::string>& columns);

  // DuckDB is about to read [offset, offset + length) of `object`: gives what else to fetch now.
  std::vector<cache::Reader::Extent> Observe(const cache::Source& source,
                                             const cache::ObjectPtr& object, int64_t offset,
                                             int64_t length, ParquetLayouts& layouts,
                                             cache::Reader& reader, cache::QueryReads& reads);

 private:
  base::Mutex mutex_;
  ColumnUses uses_ EIDER_GUARDED_BY(mutex_);
  // nullptr: a file without a layout.
  std::unordered_map<const cache::Object*, std::unique_ptr<ReadAhead>> files_
      EIDER_GUARDED_BY(mutex_);
};

// Whether a file of this name is read as Parquet, and large enough that it does not come whole with
// its opening.
bool IsLargeParquet(const std::string& path, int64_t size);

}  // namespace eider::engine
