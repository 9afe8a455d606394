// A walk over a parsed statement: which files it names, and whether it calls what is refused.
#pragma once

#include <string>

#include "engine/inspect.h"
#include "protocol/query.h"

namespace duckdb {
class ParsedExpression;
class QueryNode;
class TableRef;
class FunctionExpression;
}  // namespace duckdb

namespace eider::engine {

// Adds what it finds to an Inspection. Throws duckdb::PermissionException at a refused function and
// at a URL with S3 parameters. Not thread-safe.
class Walk {
 public:
  // Both must outlive the walk.
  Walk(const protocol::Arguments& arguments, Inspection* inspection)
      : arguments_(arguments), inspection_(*inspection) {}

  void Node(const duckdb::QueryNode& node);
  void Expression(const duckdb::ParsedExpression& expression);

 private:
  void Modifiers(const duckdb::QueryNode& node);
  void Table(const duckdb::TableRef& table);
  void TableFunction(const duckdb::FunctionExpression& function);
  // A path, or a list of them, as an expression or as an argument.
  void Paths(const duckdb::ParsedExpression& expression);
  void Paths(const protocol::Value& value);
  void Parameter(const std::string& identifier);
  // A table's name, which may be a file's.
  void Name(const std::string& table);
  void File(const std::string& path);

  const protocol::Arguments& arguments_;
  Inspection& inspection_;
  bool in_lake_ = false;  // within the path of an Iceberg or Delta table
};

}  // namespace eider::engine
