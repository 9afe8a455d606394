// Which statements may run: one policy for the coordinator's Inspect() and the worker's Execute().
#pragma once

#include <arrow/result.h>

#include <memory>
#include <string>
#include <vector>

#include "duckdb/common/unique_ptr.hpp"
#include "duckdb/parser/sql_statement.hpp"
#include "engine/inspect.h"
#include "protocol/query.h"

namespace eider::engine {

struct AllowedStatement {
  // What PIVOT needs before its query: enum types made of the values it finds.
  std::vector<duckdb::unique_ptr<duckdb::SQLStatement>> preparations;
  duckdb::unique_ptr<duckdb::SQLStatement> statement;
  Inspection inspection;
};

// Parses `sql` and checks it against the policy of the read or write path. Errors: as Inspect().
arrow::Result<AllowedStatement> ParseAllowed(const std::string& sql,
                                             const protocol::Arguments& arguments, bool write);

}  // namespace eider::engine
