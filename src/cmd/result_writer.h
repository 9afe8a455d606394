// Writes a result to where the user wants it, batch by batch, in one of the output formats.
#pragma once

#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>

#include <cstdint>
#include <memory>

#include "config/options.h"

namespace eider::cmd {

// Used by one thread, in the order Begin, Write*, End; no End for a result that broke.
class ResultWriter {
 public:
  virtual ~ResultWriter() = default;
  virtual arrow::Status Begin(const std::shared_ptr<arrow::Schema>& schema) = 0;
  virtual arrow::Status Write(const arrow::RecordBatch& batch) = 0;
  virtual arrow::Status End() = 0;
};

struct TableLimits {
  int64_t max_rows = 40;
  int max_width = 0;  // columns of the terminal; 0: any
};

// `out` must outlive the writer, which does not close it. Memory: a table keeps the rows that it
// shows, Parquet its current row group, the others one batch.
std::unique_ptr<ResultWriter> MakeResultWriter(config::OutputFormat format,
                                               arrow::io::OutputStream* out, TableLimits limits);

}  // namespace eider::cmd
