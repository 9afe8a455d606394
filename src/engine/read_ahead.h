// What of a Parquet file to fetch before DuckDB asks for it. DuckDB reads column by column, row
// group by row group, one blocking read after another; what it read so far says what it will read
// next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "engine/parquet_layout.h"

namespace eider::engine {

// In how many of the row groups that a query has touched each leaf column was read. A value; it is
// good for all files of one schema, so that a query's second file is known before it is opened.
class ColumnUse {
 public:
  explicit ColumnUse(size_t leaves) : reads_(leaves) {}

  size_t leaves() const { return reads_.size(); }
  void CountRowGroup() { ++row_groups_; }
  void CountRead(size_t leaf) { ++reads_[leaf]; }

  // The columns read in at least half of the row groups, not counting one in which `current` were
  // read so far. None before another row group was touched.
  std::vector<size_t> Expected(const std::vector<bool>& current) const;

 private:
  int64_t row_groups_ = 0;
  std::vector<int64_t> reads_;  // by leaf
};

// The column uses of one query, by schema, kMaxColumnUses at most. Not thread-safe.
class ColumnUses {
 public:
  // The one of all files with this file's leaves. Never null.
  std::shared_ptr<ColumnUse> Of(const ParquetLayout& layout);

 private:
  std::map<uint64_t, std::shared_ptr<ColumnUse>> by_schema_;
};

struct ReadAheadLimits {
  int64_t max_bytes_ahead = 0;       // of row groups that DuckDB has not come to
  int64_t max_row_groups_ahead = 0;  // of those
};

// One for each object and query. Not thread-safe, and those that share a ColumnUse need one lock
// for all. Does no I/O.
//
// The rule: with each read of a chunk that was not read before, the chunks of the expected columns
// (ColumnUse::Expected) in that row group, whatever their size. Besides, where two row groups or
// more of this file were touched, and 3 of 4 from the first to the last of them (else statistics
// let DuckDB skip row groups), the expected columns' chunks in the row groups after the last:
// within the limits, and in no more row groups than were touched, or a quarter of that (but one at
// least) where the file's first row group was not touched. Nothing before one row group has been
// seen, in this file or in another with its ColumnUse.
//
// What may be fetched in vain, at worst, in a file of which DuckDB touches T row groups:
//  - in row groups that it skips: the expected columns of T / 3 of them;
//  - in row groups that it touches, where a filter made a column needless: of each column as many
//    chunks as were read of it in the query, and one more;
//  - after the last row group touched, where DuckDB stops or jumps on: the expected columns of
//    max_row_groups_ahead, of max_bytes_ahead, or of T (of max(1, T / 4) where row group 0 was
//    not touched), whichever is least; nothing where T is 1;
//  - gaps of up to kParquetMergeGapBytes between chunks that are fetched as one.
// A scan to its end that reads the same columns in each row group fetches only gaps in vain.
class ReadAhead {
 public:
  using Extent = ParquetLayout::Extent;

  // `use` null: one for this file alone. REQUIRES: use->leaves() == layout->leaves().
  ReadAhead(std::shared_ptr<const ParquetLayout> layout, ReadAheadLimits limits,
            std::shared_ptr<ColumnUse> use = nullptr);

  // DuckDB asks for these bytes. Returns what is worth fetching now besides them, what is needed
  // first in front; no chunk twice, and none that DuckDB has asked for. Cheap (a binary search)
  // where the bytes hold no chunk that was not read before.
  std::vector<Extent> Observe(int64_t offset, int64_t length);

 private:
  // Numbers of chunks; places are indexes into the layout's order().
  std::vector<size_t> NewlyRead(int64_t offset, int64_t length);
  void Count(size_t chunk);
  std::vector<size_t> Expected(size_t row_group) const;
  size_t RowGroupsAhead() const;
  void Take(size_t chunk, std::vector<size_t>* places);
  std::vector<size_t> PlacesAhead(const std::vector<size_t>& columns);
  void AppendMerged(std::vector<size_t> places, std::vector<Extent>* extents);

  const std::shared_ptr<const ParquetLayout> layout_;
  const ReadAheadLimits limits_;
  const std::shared_ptr<ColumnUse> use_;

  std::vector<uint32_t> place_of_;  // by chunk; of those with bytes
  std::vector<bool> read_;          // by chunk: DuckDB has asked for it
  std::vector<bool> known_;         // by chunk: read, or returned by Observe
  std::vector<bool> touched_;       // by row group
  size_t touched_count_ = 0;
  size_t first_touched_ = 0;  // where touched_count_ > 0
  size_t last_touched_ = 0;
};

}  // namespace eider::engine
