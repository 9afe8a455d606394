// DuckDB's chunks as Arrow batches of bounded size.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "duckdb/common/arrow/arrow_appender.hpp"
#include "duckdb/common/types/data_chunk.hpp"
#include "duckdb/main/client_properties.hpp"

namespace eider::engine {

// Where a batch ends, whichever comes first. A larger single row goes alone.
constexpr int64_t kMaxBatchRows = 122'880;
constexpr int64_t kMaxBatchBytes = 4 << 20;

// The types and values of DuckDB's own Arrow export (Python's fetch_record_batch), cut by rows and
// by bytes. Holds at most one batch. Not thread-safe.
class BatchBuilder {
 public:
  // Errors: INVALID_QUERY naming the column whose type has no Arrow export.
  static arrow::Result<std::unique_ptr<BatchBuilder>> Make(
      duckdb::vector<duckdb::LogicalType> types, const duckdb::vector<duckdb::string>& names,
      duckdb::ClientProperties properties);

  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }

  // Gives the builder a chunk, which must stay as it is until Take returns true. REQUIRES: the last
  // one has been taken whole.
  void Offer(duckdb::DataChunk& chunk);
  // Takes rows of the offered chunk until it is used up (true) or the batch is full (false).
  bool Take();
  bool empty() const { return rows_ == 0; }
  bool full() const { return full_; }
  // The batch so far; the next begins. REQUIRES: !empty().
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Finish();

 private:
  BatchBuilder(duckdb::vector<duckdb::LogicalType> types, duckdb::ClientProperties properties);

  int64_t RowBytes(int64_t row) const {
    return row_bytes_.empty() ? fixed_bytes_ : fixed_bytes_ + row_bytes_[row];
  }

  const duckdb::vector<duckdb::LogicalType> types_;
  duckdb::ClientProperties properties_;
  duckdb::unordered_map<duckdb::idx_t, const duckdb::shared_ptr<duckdb::ArrowTypeExtensionData>>
      extensions_;
  std::shared_ptr<arrow::Schema> schema_;
  int64_t fixed_bytes_ = 0;              // of a row, in columns of fixed width
  std::vector<duckdb::idx_t> variable_;  // the other columns

  duckdb::DataChunk* chunk_ = nullptr;
  int64_t taken_ = 0;               // rows of chunk_
  std::vector<int64_t> row_bytes_;  // of chunk_'s rows in variable_; empty when there are none

  duckdb::unique_ptr<duckdb::ArrowAppender> appender_;
  int64_t rows_ = 0;
  int64_t bytes_ = 0;  // an estimate
  bool full_ = false;
};

}  // namespace eider::engine
