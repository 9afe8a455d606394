#include "engine/running_statement.h"

#include <chrono>
#include <thread>
#include <utility>

#include "duckdb.hpp"
#include "duckdb/main/client_config.hpp"
#include "duckdb/main/client_context.hpp"
#include "duckdb/main/query_result.hpp"
#include "engine/pause.h"
#include "engine/result_collector.h"

namespace eider::engine {

RunningStatement::RunningStatement(duckdb::ClientContext& context,
                                   duckdb::unique_ptr<duckdb::SQLStatement> statement,
                                   BoundArguments& arguments) {
  auto& config = duckdb::ClientConfig::GetConfig(context);
  config.get_result_collector = [queue = queue_](auto& in, auto& data) {
    return CollectInto(queue, in, data);
  };
  // With its arguments at once: a prepared statement would be bound twice.
  pending_ = context.PendingQuery(std::move(statement), arguments,
                                  duckdb::QueryResultOutputType::FORCE_MATERIALIZED);
  config.get_result_collector = nullptr;
}

std::optional<ResultPiece> RunningStatement::Next() {
  if (result_ || pending_->HasError()) return std::nullopt;
  std::optional<ResultPiece> piece = Run();
  if (!piece) End();
  return piece;
}

// Runs tasks until one has put something into the queue. While all that is left runs on DuckDB's
// other threads it waits for the queue: DuckDB's own loop takes a core for each query that waits
// for S3.
std::optional<ResultPiece> RunningStatement::Run() {
  auto now = std::chrono::steady_clock::now();
  Pause pause(now);
  while (true) {
    if (auto piece = queue_->Take()) return piece;
    if (finished_) return std::nullopt;
    const auto step = pending_->ExecuteTask();
    finished_ = duckdb::PendingQueryResult::IsExecutionFinished(step);
    if (finished_) continue;  // for what is left in the queue
    now = std::chrono::steady_clock::now();
    if (step == duckdb::PendingExecutionResult::RESULT_NOT_READY) {
      pause.Restart(now);
    } else if (const auto sleep = pause.Next(now); sleep > sleep.zero()) {
      queue_->WaitUntil(now + sleep);
    } else {
      std::this_thread::yield();
    }
  }
}

void RunningStatement::End() {
  // What has failed may not be executed again: the error would be that.
  if (!pending_->HasError()) result_ = pending_->Execute();
}

std::optional<duckdb::ErrorData> RunningStatement::error() const {
  if (pending_->HasError()) return pending_->GetErrorObject();
  if (result_ && result_->HasError()) return result_->GetErrorObject();
  return std::nullopt;
}

}  // namespace eider::engine
