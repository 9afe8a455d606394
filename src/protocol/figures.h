// What a query cost: counted on the worker, reported when its task ends, shown in .info.
#pragma once

#include <arrow/result.h>

#include <cstdint>

#include "protocol/value.h"

namespace eider::protocol {

struct Figures {
  int64_t rows = 0;
  int64_t bytes = 0;  // of Arrow data handed to the stream
  int64_t batches = 0;
  int64_t run_us = 0;  // from admission to the end of the stream
  int64_t first_batch_us = 0;
  int64_t s3_opens = 0;  // objects opened (a HEAD each by httpfs)
  int64_t s3_reads = 0;  // reads that went to S3 past DuckDB's own cache (a GET each)
  int64_t s3_bytes = 0;  // what those reads brought
  bool operator==(const Figures&) const = default;
};

Value EncodeFigures(const Figures& figures);
arrow::Result<Figures> DecodeFigures(const Value& value);

}  // namespace eider::protocol
