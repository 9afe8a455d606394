// DuckDB's chunks as Arrow batches of bounded size.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "duckdb/common/arrow/arrow_appender.hpp"
#include "duckdb/main/client_properties.hpp"
#include "engine/result_queue.h"
#include "engine/row_bytes.h"

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

  // REQUIRES: used_up().
  void Offer(ResultPiece piece);
  // Takes rows of the offered piece until it is used up or the batch is full.
  void Take();
  bool used_up() const { return piece_.chunk == nullptr; }
  bool empty() const { return rows_ == 0; }
  bool full() const { return full_; }
  // The batch so far; the next begins. REQUIRES: !empty().
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Finish();

 private:
  BatchBuilder(duckdb::vector<duckdb::LogicalType> types, duckdb::ClientProperties properties);

  int64_t BytesOf(int64_t row) const {
    return measure_.fixed() + (piece_.row_bytes.empty() ? 0 : piece_.row_bytes[row]);
  }

  const duckdb::vector<duckdb::LogicalType> types_;
  duckdb::ClientProperties properties_;
  duckdb::unordered_map<duckdb::idx_t, const duckdb::shared_ptr<duckdb::ArrowTypeExtensionData>>
      extensions_;
  const RowBytes measure_;
  std::shared_ptr<arrow::Schema> schema_;

  ResultPiece piece_;
  int64_t taken_ = 0;  // rows of piece_

  duckdb::unique_ptr<duckdb::ArrowAppender> appender_;
  int64_t rows_ = 0;
  int64_t bytes_ = 0;  // an estimate
  bool full_ = false;
};

}  // namespace eider::engine
