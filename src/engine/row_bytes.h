// What the rows of a DuckDB chunk come to, in bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "duckdb/common/types.hpp"
#include "duckdb/common/types/data_chunk.hpp"

namespace eider::engine {

// Estimates: the values, and 4 bytes where one has a length of its own.
class RowBytes {
 public:
  RowBytes() = default;
  explicit RowBytes(const duckdb::vector<duckdb::LogicalType>& types);

  // The same for every row, in columns of fixed width.
  int64_t fixed() const { return fixed_; }
  // How many of DuckDB's vectors a chunk has, with those nested in others.
  int64_t vectors() const { return vectors_; }
  // Of each row of the chunk, in the other columns; empty where there are none.
  std::vector<int64_t> Variable(duckdb::DataChunk& chunk) const;

 private:
  int64_t fixed_ = 0;
  int64_t vectors_ = 0;
  std::vector<duckdb::idx_t> variable_;
};

}  // namespace eider::engine
