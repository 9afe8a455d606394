// A running statement: DuckDB's rows behind engine::Execution.
#pragma once

#include <arrow/result.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "duckdb/common/shared_ptr.hpp"
#include "duckdb/main/connection.hpp"
#include "engine/batches.h"
#include "engine/engine.h"
#include "engine/interrupter.h"
#include "engine/policy.h"
#include "engine/query_state.h"
#include "engine/running_statement.h"

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
  using MakeSession = std::function<Session()>;
  using OnWritten = std::function<void(const std::vector<std::string>& urls)>;

  // Binds and starts the statement; `started_at` is when the task began, `on_written` hears of what
  // it wrote when it is over, however it ended. A statement under which an object changed is run
  // again once, in a new session, unless it writes or has delivered something. Errors: as
  // Engine::Execute().
  static arrow::Result<std::unique_ptr<QueryExecution>> Start(MakeSession make_session,
                                                              const Statement& statement,
                                                              OnWritten on_written,
                                                              Clock::time_point started_at);
  ~QueryExecution() override;

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override;
  void Cancel() override { interrupter_->Interrupt(); }
  protocol::Figures figures() const override;
  std::vector<std::string> written() const override;

 private:
  QueryExecution(MakeSession make_session, const Statement& statement, OnWritten on_written,
                 Clock::time_point started_at);

  // Makes a session, and running_ and builder_ in it.
  arrow::Status Begin();
  // The same once more where that may help against `failure`; otherwise gives `failure`.
  arrow::Status BeginAgainAfter(const arrow::Status& failure);
  // May throw what DuckDB throws.
  arrow::Status Bind(AllowedStatement* allowed);
  void Close();
  void TellWritten();
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> NextOnce();
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> NextOrThrow();
  arrow::Status Failed(arrow::Status status);
  void Count(const arrow::RecordBatch& batch);
  int64_t ElapsedUs() const;

  const MakeSession make_session_;
  const Statement statement_;
  const OnWritten on_written_;
  const Clock::time_point started_at_;
  const std::shared_ptr<Interrupter> interrupter_;
  std::shared_ptr<arrow::Schema> schema_;  // constant after Start()

  // The thread of Start() and Next() only.
  Session session_;
  std::unique_ptr<BatchBuilder> builder_;
  std::unique_ptr<RunningStatement> running_;
  bool ended_ = false;
  bool begun_again_ = false;
  bool told_written_ = false;
  arrow::Status failure_;

  mutable base::Mutex mutex_;
  // Of each session that there was: their figures add up.
  std::vector<duckdb::shared_ptr<QueryState>> states_ EIDER_GUARDED_BY(mutex_);

  // Thread-safe by themselves.
  std::atomic<int64_t> rows_{0};
  std::atomic<int64_t> bytes_{0};
  std::atomic<int64_t> batches_{0};
  std::atomic<int64_t> first_batch_us_{0};
  std::atomic<int64_t> run_us_{0};  // 0: still running
};

}  // namespace eider::engine
