#include "engine/policy.h"

#include <utility>

#include "base/error.h"
#include "duckdb.hpp"
#include "duckdb/parser/parsed_data/copy_info.hpp"
#include "duckdb/parser/parsed_data/create_type_info.hpp"
#include "duckdb/parser/parser.hpp"
#include "duckdb/parser/statement/list.hpp"
#include "duckdb/parser/statement/multi_statement.hpp"
#include "engine/errors.h"
#include "engine/paths.h"
#include "engine/walk.h"

namespace eider::engine {
namespace {

using base::ErrorCode;
using base::MakeError;

std::string Allowed(bool write) {
  return write ? "allowed are COPY ... TO and what the read path takes (SELECT, EXPLAIN, ...)"
               : "allowed are SELECT (also WITH, VALUES, FROM, PIVOT), DESCRIBE, SHOW, SUMMARIZE "
                 "and EXPLAIN; COPY ... TO goes by /write";
}

std::string KindOf(const duckdb::SQLStatement& statement) {
  using duckdb::StatementType;
  switch (statement.type) {
    case StatementType::VARIABLE_SET_STATEMENT:
      return "SET";
    case StatementType::UPDATE_EXTENSIONS_STATEMENT:
      return "UPDATE EXTENSIONS";
    case StatementType::COPY_STATEMENT:
      return statement.Cast<duckdb::CopyStatement>().info->is_from ? "COPY ... FROM"
                                                                   : "COPY ... TO";
    default:
      return duckdb::StatementTypeToString(statement.type);
  }
}

// Checks one statement and what is nested in it.
class Check {
 public:
  Check(bool write, const protocol::Arguments& arguments, Inspection* inspection)
      : write_(write), inspection_(*inspection), walk_(arguments, inspection) {}

  arrow::Status Statement(const duckdb::SQLStatement& statement) {
    using duckdb::StatementType;
    switch (statement.type) {
      case StatementType::SELECT_STATEMENT:
        walk_.Node(*statement.Cast<duckdb::SelectStatement>().node);
        return arrow::Status::OK();
      case StatementType::EXPLAIN_STATEMENT:
        return Statement(*statement.Cast<duckdb::ExplainStatement>().stmt);
      case StatementType::COPY_STATEMENT:
        return Copy(statement);
      case StatementType::MULTI_STATEMENT:
        return Pivot(statement.Cast<duckdb::MultiStatement>());
      case StatementType::LOAD_STATEMENT:
      case StatementType::UPDATE_EXTENSIONS_STATEMENT:
        return MakeError(ErrorCode::kPermissionDenied,
                         "INSTALL and LOAD are not allowed: a worker's extensions are chosen by "
                         "its operator");
      default:
        return Refused(statement);
    }
  }

 private:
  arrow::Status Refused(const duckdb::SQLStatement& statement) const {
    return MakeError(ErrorCode::kInvalidQuery,
                     KindOf(statement) + " is not allowed here: " + Allowed(write_));
  }

  arrow::Status Copy(const duckdb::SQLStatement& statement) {
    const duckdb::CopyInfo& info = *statement.Cast<duckdb::CopyStatement>().info;
    if (!write_ || info.is_from) return Refused(statement);
    inspection_.writes = true;
    RefuseUnsafeUrl(info.file_path);
    if (info.file_path_expression) walk_.Expression(*info.file_path_expression);
    for (const auto& [name, option] : info.parsed_options) {
      if (option) walk_.Expression(*option);
    }
    if (info.select_statement) walk_.Node(*info.select_statement);
    return arrow::Status::OK();
  }

  // PIVOT without IN becomes CREATE TYPE ... AS ENUM (SELECT ...) for each column, then the query.
  arrow::Status Pivot(const duckdb::MultiStatement& multi) {
    for (size_t i = 0; i + 1 < multi.statements.size(); ++i) {
      const duckdb::SQLStatement& part = *multi.statements[i];
      if (part.type != duckdb::StatementType::CREATE_STATEMENT) return Refused(part);
      const duckdb::CreateInfo& info = *part.Cast<duckdb::CreateStatement>().info;
      if (info.type != duckdb::CatalogType::TYPE_ENTRY || !info.temporary) return Refused(part);
      const auto& type = info.Cast<duckdb::CreateTypeInfo>();
      if (type.query) ARROW_RETURN_NOT_OK(Statement(*type.query));
    }
    if (multi.statements.empty()) return Refused(multi);
    return Statement(*multi.statements.back());
  }

  const bool write_;
  Inspection& inspection_;
  Walk walk_;
};

duckdb::unique_ptr<duckdb::SQLStatement> TakeMain(duckdb::unique_ptr<duckdb::SQLStatement> parsed,
                                                  AllowedStatement* out) {
  if (parsed->type != duckdb::StatementType::MULTI_STATEMENT) return parsed;
  auto& parts = parsed->Cast<duckdb::MultiStatement>().statements;
  for (size_t i = 0; i + 1 < parts.size(); ++i) out->preparations.push_back(std::move(parts[i]));
  return std::move(parts.back());
}

}  // namespace

arrow::Result<AllowedStatement> ParseAllowed(const std::string& sql,
                                             const protocol::Arguments& arguments, bool write) {
  AllowedStatement out;
  // DuckDB would read no further, and answer another question.
  if (const size_t nul = sql.find('\0'); nul != std::string::npos) {
    return MakeError(
        ErrorCode::kInvalidQuery,
        "byte " + std::to_string(nul) + " of the SQL is NUL: take it out, or use chr(0)");
  }
  try {
    duckdb::Parser parser;
    parser.ParseQuery(sql);
    if (parser.statements.empty()) {
      return MakeError(ErrorCode::kInvalidQuery, "the query is empty: it has no statement");
    }
    if (parser.statements.size() > 1) {
      return MakeError(ErrorCode::kInvalidQuery, "the query has " +
                                                     std::to_string(parser.statements.size()) +
                                                     " statements: send one at a time");
    }
    Check check(write, arguments, &out.inspection);
    ARROW_RETURN_NOT_OK(check.Statement(*parser.statements[0]));
    out.statement = TakeMain(std::move(parser.statements[0]), &out);
  } catch (const std::exception& exception) {
    duckdb::ErrorData error(exception);
    error.AddErrorLocation(sql);
    return TranslateError(error);
  }
  return out;
}

}  // namespace eider::engine
