// What one query carries through DuckDB: what it may do, what it has read and what that cost.
#pragma once

#include <arrow/status.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "cache/reader.h"
#include "duckdb/common/optional_ptr.hpp"
#include "duckdb/common/shared_ptr.hpp"
#include "duckdb/main/client_context_state.hpp"
#include "engine/parquet_reads.h"
#include "protocol/figures.h"
#include "protocol/query.h"

namespace duckdb {
class ClientContext;
class FileOpener;
}  // namespace duckdb

namespace eider::engine {

// Registered with the query's ClientContext; DuckDB calls the hooks, the file systems look it up.
// Thread-safe, but for the hooks.
class QueryState final : public duckdb::ClientContextState {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  QueryState(protocol::CacheMode mode, TimePoint deadline);

  static void Register(duckdb::ClientContext& context, duckdb::shared_ptr<QueryState> state);
  // The state of the query that opens a file; nullptr where DuckDB itself does.
  static duckdb::shared_ptr<QueryState> Of(duckdb::optional_ptr<duckdb::FileOpener> opener);

  // The same for a query that is known by its context.
  static duckdb::shared_ptr<QueryState> Of(duckdb::ClientContext& context);

  cache::QueryReads& reads() { return reads_; }
  ParquetReads& parquet() { return parquet_; }
  // Where it is registered; nullptr before. Valid while the query runs.
  duckdb::optional_ptr<duckdb::ClientContext> context() const { return context_; }

  // Ends every wait for S3, with CANCELLED.
  void Stop() { stop_.request_stop(); }

  // Throws `failure` of a read as the exception that TranslateError() reads again.
  [[noreturn]] void ThrowFailedRead(const arrow::Status& failure);
  // Whether a read found that its object had changed since the query first saw it.
  bool object_changed() const { return object_changed_; }

  // A read that httpfs did past the cache; each is counted as one request.
  void CountPassedRead(int64_t bytes);
  void CountPassedOpen();
  // What its reads came to so far; the fields that are not about reads are 0.
  protocol::Figures figures() const;

  // It wrote to `url`, or is about to.
  void NoteWritten(const std::string& url);
  // URLs, or prefixes, which end in '/'; sorted.
  std::vector<std::string> written() const;

  // While it is false, statements may modify the instance: for what PIVOT prepares. REQUIRES: no
  // statement is being prepared.
  void set_read_only(bool read_only) { read_only_ = read_only; }

  // Being asked for a rebind is the one hook between binding and the start of execution: here a
  // bound statement is found to be read-only, whatever its syntax tree looked like.
  bool CanRequestRebind() override { return true; }
  duckdb::RebindQueryInfo OnFinalizePrepare(duckdb::ClientContext& context,
                                            duckdb::PreparedStatementData& prepared,
                                            duckdb::PreparedStatementMode mode) override;

 private:
  std::stop_source stop_;
  mutable cache::QueryReads reads_;
  ParquetReads parquet_;
  duckdb::optional_ptr<duckdb::ClientContext> context_;  // set once, by Register
  bool read_only_ = true;
  std::atomic<bool> object_changed_{false};

  mutable base::Mutex mutex_;
  std::set<std::string> written_ EIDER_GUARDED_BY(mutex_);
};

}  // namespace eider::engine
