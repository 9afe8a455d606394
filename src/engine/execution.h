// A running statement: DuckDB's streaming result behind engine::Execution.
#pragma once

#include <arrow/result.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "duckdb/common/shared_ptr.hpp"
#include "duckdb/main/connection.hpp"
#include "duckdb/main/pending_query_result.hpp"
#include "duckdb/main/query_result.hpp"
#include "engine/batches.h"
#include "engine/engine.h"
#include "engine/policy.h"
#include "engine/query_state.h"

namespace eider::engine {

// A connection with its query's state.
struct Session {
  std::shared_ptr<duckdb::DuckDB> database;  // outlives the connection
  std::unique_ptr<duckdb::Connection> connection;
  duckdb::shared_ptr<QueryState> state;
  std::vector<std::string> files;             // that the statement names, for errors
  std::vector<std::string> path_like_tables;  // the same
};

class QueryExecution final : public Execution {
 public:
  using Clock = std::chrono::steady_clock;

  // Binds and starts the statement; `started_at` is when the task began. Errors: as
  // Engine::Execute().
  static arrow::Result<std::unique_ptr<QueryExecution>> Start(Session session,
                                                              const Statement& statement,
                                                              Clock::time_point started_at);
  ~QueryExecution() override;

  std::shared_ptr<arrow::Schema> schema() const override { return builder_->schema(); }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override;
  void Cancel() override;
  protocol::Figures figures() const override;

 private:
  explicit QueryExecution(Session session, Clock::time_point started_at)
      : session_(std::move(session)), started_at_(started_at) {}

  // Interrupts this statement from any thread, also when it is no more.
  std::function<void()> Interrupter() const;

  // Makes pending_ and builder_. May throw what DuckDB throws.
  arrow::Status Bind(AllowedStatement* allowed, const protocol::Arguments& arguments);
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> NextOrThrow();
  // Offers the next chunk to the builder; false at the end.
  arrow::Result<bool> Fetch();
  // Whether result_ may have more: a stream closes itself with its last chunk.
  bool IsOpen();
  arrow::Status Failed(arrow::Status status);
  void Count(const arrow::RecordBatch& batch);
  int64_t ElapsedUs() const;

  // Constant after Start(), which fills them in.
  Session session_;
  const Clock::time_point started_at_;
  std::unique_ptr<BatchBuilder> builder_;

  // Next()'s thread only.
  duckdb::unique_ptr<duckdb::PendingQueryResult> pending_;  // until the first Next()
  duckdb::unique_ptr<duckdb::QueryResult> result_;
  duckdb::unique_ptr<duckdb::DataChunk> chunk_;  // offered to the builder, with rows left
  bool ended_ = false;
  arrow::Status failure_;

  // Thread-safe by themselves.
  // Shared with Interrupter()'s functions, which may outlive this.
  const std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
  std::atomic<int64_t> rows_{0};
  std::atomic<int64_t> bytes_{0};
  std::atomic<int64_t> batches_{0};
  std::atomic<int64_t> first_batch_us_{0};
  std::atomic<int64_t> run_us_{0};  // 0: still running
};

}  // namespace eider::engine
