// What a query cost: counted on the worker, reported when its task ends, shown in .info. And what
// its cache is like, reported with each heartbeat.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <string>

#include "protocol/value.h"

namespace eider::protocol {

struct Figures {
  int64_t rows = 0;
  int64_t bytes = 0;  // of Arrow data handed to the stream
  int64_t batches = 0;
  int64_t run_us = 0;  // from admission to the end of the stream
  int64_t first_batch_us = 0;
  int64_t s3_opens = 0;          // objects opened
  int64_t s3_requests = 0;       // GET, HEAD and LIST sent to S3, retries and hedges among them
  int64_t s3_list_requests = 0;  // of those, LIST
  int64_t s3_bytes = 0;          // of bodies that came from S3
  int64_t asked_bytes = 0;       // that DuckDB asked of S3 files
  int64_t cache_bytes = 0;       // of those, from the cache
  int64_t cache_hits = 0;        // reads that the cache answered in full
  int64_t cache_misses = 0;      // reads that had to wait for S3
  int64_t shared_fetches = 0;    // waits on a GET that another read had under way
  int64_t retries = 0;           // requests sent again after a failure
  int64_t hedges = 0;            // second GETs sent because the first was slow
  // What S3 will charge for it, estimated by the worker, which knows the prices: billionths of a
  // dollar.
  int64_t cost_nanousd = 0;
  bool operator==(const Figures&) const = default;
};

Value EncodeFigures(const Figures& figures);
// Every field must be there; those that this version does not know are passed over.
arrow::Result<Figures> DecodeFigures(const Value& value);

// What a worker's disk cache holds, and what became of it since the process started.
struct CacheFigures {
  int64_t budget_bytes = 0;  // 0: no disk cache
  int64_t used_bytes = 0;
  int64_t blocks = 0;
  int64_t objects = 0;
  int64_t evictions = 0;  // blocks
  int64_t corrupt_pages = 0;
  int64_t write_failures = 0;
  std::string disabled_why;  // empty while it works, or was never asked for
  // Over all tasks of the process.
  int64_t hits = 0;    // reads
  int64_t misses = 0;  // reads
  bool operator==(const CacheFigures&) const = default;
};

Value EncodeCacheFigures(const CacheFigures& figures);
arrow::Result<CacheFigures> DecodeCacheFigures(const Value& value);

// What S3 charges, in billionths of a dollar (by default, of us-east-1 in 2025).
struct S3Prices {
  int64_t per_1000_requests = 400'000;  // GET and HEAD
  int64_t per_1000_lists = 5'000'000;   // LIST
  int64_t per_gb = 0;                   // 10^9 bytes out of S3: nothing within a region
  bool operator==(const S3Prices&) const = default;
};

// An estimate: what these requests and bytes cost at these prices.
int64_t CostNanoUsd(const Figures& figures, const S3Prices& prices);

}  // namespace eider::protocol
