#include "engine/walk.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <utility>

#include "duckdb.hpp"
#include "duckdb/parser/expression/list.hpp"
#include "duckdb/parser/parsed_expression_iterator.hpp"
#include "duckdb/parser/query_node/list.hpp"
#include "duckdb/parser/query_node/statement_node.hpp"
#include "duckdb/parser/statement/select_statement.hpp"
#include "duckdb/parser/tableref/list.hpp"
#include "engine/functions.h"
#include "engine/paths.h"

namespace eider::engine {
namespace {

using protocol::Value;

// Table functions whose first argument is a path, a glob or a list of them.
constexpr std::array<std::string_view, 22> kReadingFunctions = {"read_parquet",
                                                                "parquet_scan",
                                                                "read_csv",
                                                                "read_csv_auto",
                                                                "read_json",
                                                                "read_json_auto",
                                                                "read_json_objects",
                                                                "read_json_objects_auto",
                                                                "read_ndjson",
                                                                "read_ndjson_auto",
                                                                "read_text",
                                                                "read_blob",
                                                                "read_ndjson_objects",
                                                                "glob",
                                                                "sniff_csv",
                                                                "parquet_metadata",
                                                                "parquet_file_metadata",
                                                                "parquet_full_metadata",
                                                                "parquet_schema",
                                                                "parquet_kv_metadata",
                                                                "parquet_bloom_probe",
                                                                "read_avro"};

// Those whose first argument is a table's folder, or a file of its metadata.
constexpr std::array<std::string_view, 9> kLakeFunctions = {
    "iceberg_scan",         "iceberg_metadata",        "iceberg_snapshots",
    "iceberg_column_stats", "iceberg_partition_stats", "delta_scan",
    "delta_list_files",     "delta_domain_metadata",   "delta_get_transaction_version"};

bool IsOneOf(std::span<const std::string_view> names, const std::string& name) {
  return std::ranges::find(names, duckdb::StringUtil::Lower(name)) != names.end();
}

// A table's folder, however the query names the table, so that all its queries have one home.
std::string TableFolder(std::string path) {
  const size_t metadata = path.rfind("/metadata/");
  if (metadata != std::string::npos && path.ends_with(".json")) path.resize(metadata);
  while (path.ends_with('/')) path.pop_back();
  return path;
}

// `filename = true` and `filename := true` are parameters by name.
bool IsNamed(const duckdb::ParsedExpression& argument) {
  return argument.GetExpressionClass() == duckdb::ExpressionClass::COMPARISON ||
         !argument.GetAlias().empty();
}

}  // namespace

void Walk::Node(const duckdb::QueryNode& node) {
  for (const auto& [name, cte] : node.cte_map.map) {
    if (cte->query && cte->query->node) Node(*cte->query->node);
    for (const auto& target : cte->key_targets) Expression(*target);
  }
  switch (node.type) {
    case duckdb::QueryNodeType::SELECT_NODE: {
      const auto& select = node.Cast<duckdb::SelectNode>();
      if (select.from_table) Table(*select.from_table);
      for (const auto& expression : select.select_list) Expression(*expression);
      for (const auto& group : select.groups.group_expressions) Expression(*group);
      for (const auto* clause : {&select.where_clause, &select.having, &select.qualify}) {
        if (*clause) Expression(**clause);
      }
      break;
    }
    case duckdb::QueryNodeType::SET_OPERATION_NODE:
      for (const auto& child : node.Cast<duckdb::SetOperationNode>().children) Node(*child);
      break;
    case duckdb::QueryNodeType::RECURSIVE_CTE_NODE: {
      const auto& cte = node.Cast<duckdb::RecursiveCTENode>();
      Node(*cte.left);
      Node(*cte.right);
      for (const auto& target : cte.key_targets) Expression(*target);
      break;
    }
    case duckdb::QueryNodeType::CTE_NODE: {
      const auto& cte = node.Cast<duckdb::CTENode>();
      if (cte.query) Node(*cte.query);
      if (cte.child) Node(*cte.child);
      break;
    }
    default:
      throw duckdb::PermissionException("a query of this kind is not allowed here");
  }
  Modifiers(node);
}

void Walk::Modifiers(const duckdb::QueryNode& node) {
  // The iterator only hands out mutable expressions; nothing here changes them.
  duckdb::ParsedExpressionIterator::EnumerateQueryNodeModifiers(
      const_cast<duckdb::QueryNode&>(node),
      [this](duckdb::unique_ptr<duckdb::ParsedExpression>& child) { Expression(*child); });
}

void Walk::Table(const duckdb::TableRef& table) {
  switch (table.type) {
    case duckdb::TableReferenceType::BASE_TABLE: {
      const auto& base = table.Cast<duckdb::BaseTableRef>();
      if (base.schema_name.empty()) Name(base.table_name);
      break;
    }
    case duckdb::TableReferenceType::JOIN: {
      const auto& join = table.Cast<duckdb::JoinRef>();
      Table(*join.left);
      Table(*join.right);
      if (join.condition) Expression(*join.condition);
      break;
    }
    case duckdb::TableReferenceType::SUBQUERY:
      Node(*table.Cast<duckdb::SubqueryRef>().subquery->node);
      break;
    case duckdb::TableReferenceType::TABLE_FUNCTION: {
      const auto& call = table.Cast<duckdb::TableFunctionRef>();
      if (call.function->GetExpressionClass() == duckdb::ExpressionClass::FUNCTION) {
        TableFunction(call.function->Cast<duckdb::FunctionExpression>());
      }
      Expression(*call.function);
      if (call.subquery) Node(*call.subquery->node);
      break;
    }
    case duckdb::TableReferenceType::EXPRESSION_LIST:
      for (const auto& row : table.Cast<duckdb::ExpressionListRef>().values) {
        for (const auto& value : row) Expression(*value);
      }
      break;
    case duckdb::TableReferenceType::PIVOT: {
      const auto& pivot = table.Cast<duckdb::PivotRef>();
      Table(*pivot.source);
      for (const auto& aggregate : pivot.aggregates) Expression(*aggregate);
      for (const auto& column : pivot.pivots) {
        for (const auto& expression : column.pivot_expressions) Expression(*expression);
        for (const auto& entry : column.entries) {
          if (entry.expr) Expression(*entry.expr);
        }
        if (column.subquery) Node(*column.subquery);
      }
      break;
    }
    case duckdb::TableReferenceType::SHOW_REF: {
      const auto& show = table.Cast<duckdb::ShowRef>();
      if (show.query) Node(*show.query);
      Name(show.table_name);
      break;
    }
    default:
      break;
  }
}

void Walk::Expression(const duckdb::ParsedExpression& expression) {
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::FUNCTION) {
    const auto& function = expression.Cast<duckdb::FunctionExpression>();
    if (IsRefusedFunction(function.function_name)) RefuseFunction(function.function_name);
  }
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::SUBQUERY) {
    Node(*expression.Cast<duckdb::SubqueryExpression>().subquery->node);
  }
  duckdb::ParsedExpressionIterator::EnumerateChildren(
      expression, [this](const duckdb::ParsedExpression& child) { Expression(child); });
}

void Walk::TableFunction(const duckdb::FunctionExpression& function) {
  if (IsRefusedFunction(function.function_name)) RefuseFunction(function.function_name);
  in_lake_ = IsOneOf(kLakeFunctions, function.function_name);
  if (!in_lake_ && !IsOneOf(kReadingFunctions, function.function_name)) return;
  for (const auto& argument : function.children) {
    if (IsNamed(*argument)) continue;
    Paths(*argument);
    break;  // further ones by position are no paths
  }
  in_lake_ = false;
}

void Walk::Paths(const duckdb::ParsedExpression& expression) {
  switch (expression.GetExpressionClass()) {
    case duckdb::ExpressionClass::CONSTANT: {
      const duckdb::Value& value = expression.Cast<duckdb::ConstantExpression>().value;
      if (value.IsNull()) return;
      if (value.type().id() == duckdb::LogicalTypeId::VARCHAR) {
        File(duckdb::StringValue::Get(value));
      } else if (value.type().id() == duckdb::LogicalTypeId::LIST) {
        for (const duckdb::Value& item : duckdb::ListValue::GetChildren(value)) {
          if (!item.IsNull()) File(item.ToString());
        }
      }
      return;
    }
    case duckdb::ExpressionClass::PARAMETER:
      Parameter(expression.Cast<duckdb::ParameterExpression>().identifier);
      return;
    case duckdb::ExpressionClass::FUNCTION: {
      const auto& function = expression.Cast<duckdb::FunctionExpression>();
      if (function.function_name != "list_value") break;
      for (const auto& item : function.children) Paths(*item);
      return;
    }
    case duckdb::ExpressionClass::OPERATOR: {
      const auto& list = expression.Cast<duckdb::OperatorExpression>();
      if (list.GetExpressionType() != duckdb::ExpressionType::ARRAY_CONSTRUCTOR) break;
      for (const auto& item : list.children) Paths(*item);
      return;
    }
    default:
      break;
  }
  inspection_.computed_paths = true;
}

void Walk::Parameter(const std::string& identifier) {
  for (const auto& [name, value] : arguments_.named) {
    if (duckdb::StringUtil::CIEquals(name, identifier)) return Paths(value);
  }
  for (size_t i = 0; i < arguments_.positional.size(); ++i) {
    if (identifier == std::to_string(i + 1)) return Paths(arguments_.positional[i]);
  }
  // A missing argument is found, with both counts, when the statement is bound.
}

void Walk::Paths(const Value& value) {
  switch (value.kind) {
    case Value::Kind::kString:
      File(value.text);
      break;
    case Value::Kind::kList:
    case Value::Kind::kTyped:
      for (const Value& item : value.items) Paths(item);
      break;
    default:
      break;
  }
}

void Walk::Name(const std::string& table) {
  if (IsFileName(table)) {
    File(table);
  } else if (IsPathLike(table)) {
    inspection_.path_like_tables.push_back(table);
  }
}

void Walk::File(const std::string& path) {
  RefuseUnsafeUrl(path);
  std::string file = in_lake_ ? TableFolder(path) : path;
  if (std::ranges::find(inspection_.files, file) == inspection_.files.end()) {
    inspection_.files.push_back(std::move(file));
  }
}

}  // namespace eider::engine
