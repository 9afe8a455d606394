// A statement that DuckDB runs while it is asked for its rows.
#pragma once

#include <memory>
#include <optional>

#include "duckdb/common/error_data.hpp"
#include "duckdb/common/unique_ptr.hpp"
#include "duckdb/main/pending_query_result.hpp"
#include "engine/arguments.h"
#include "engine/result_queue.h"

namespace duckdb {
class ClientContext;
class SQLStatement;
}  // namespace duckdb

namespace eider::engine {

// Ends, with all of its tasks, when its connection does. Not thread-safe; an interrupt of the
// context, from any thread, makes it fail soon.
class RunningStatement {
 public:
  // Binds the statement and starts its tasks. It may have failed then.
  RunningStatement(duckdb::ClientContext& context,
                   duckdb::unique_ptr<duckdb::SQLStatement> statement, BoundArguments& arguments);

  const duckdb::vector<duckdb::LogicalType>& types() const { return pending_->types; }
  const duckdb::vector<duckdb::string>& names() const { return pending_->names; }

  // The next rows; blocks while they are made. None at the end, when its transaction is over too,
  // and where it has failed.
  std::optional<ResultPiece> Next();
  // Why it failed; none while it has not.
  std::optional<duckdb::ErrorData> error() const;

 private:
  std::optional<ResultPiece> Run();
  void End();

  const std::shared_ptr<ResultQueue> queue_ = std::make_shared<ResultQueue>();
  duckdb::unique_ptr<duckdb::PendingQueryResult> pending_;
  duckdb::unique_ptr<duckdb::QueryResult> result_;  // of the end
  bool finished_ = false;                           // its tasks
};

}  // namespace eider::engine
