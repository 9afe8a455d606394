// What one query carries through DuckDB: what it may do, and what its reads cost.
#pragma once

#include <atomic>
#include <cstdint>

#include "duckdb/common/optional_ptr.hpp"
#include "duckdb/common/shared_ptr.hpp"
#include "duckdb/main/client_context_state.hpp"

namespace duckdb {
class ClientContext;
class FileOpener;
}  // namespace duckdb

namespace eider::engine {

// What a query's reads of S3 cost. Thread-safe.
struct ReadCounters {
  std::atomic<int64_t> opens{0};
  std::atomic<int64_t> reads{0};
  std::atomic<int64_t> bytes{0};
};

// Registered with the query's ClientContext; DuckDB calls the hooks, the file systems look it up.
class QueryState final : public duckdb::ClientContextState {
 public:
  explicit QueryState(bool use_cache) : use_cache_(use_cache) {}

  static void Register(duckdb::ClientContext& context, duckdb::shared_ptr<QueryState> state);
  // The state of the query that opens a file; nullptr where DuckDB itself does.
  static duckdb::shared_ptr<QueryState> Of(duckdb::optional_ptr<duckdb::FileOpener> opener);

  // Whether its reads may use and fill DuckDB's external file cache.
  bool use_cache() const { return use_cache_; }
  ReadCounters& counters() { return counters_; }
  const ReadCounters& counters() const { return counters_; }

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
  const bool use_cache_;
  bool read_only_ = true;
  ReadCounters counters_;
};

}  // namespace eider::engine
