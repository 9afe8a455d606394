#include "engine/functions.h"

#include <algorithm>
#include <array>
#include <string>

#include "duckdb.hpp"
#include "duckdb/catalog/catalog.hpp"
#include "duckdb/catalog/catalog_entry/table_function_catalog_entry.hpp"
#include "duckdb/function/scalar_function.hpp"
#include "duckdb/function/table_function.hpp"
#include "duckdb/parser/parsed_data/create_scalar_function_info.hpp"
#include "duckdb/parser/parsed_data/create_table_function_info.hpp"

namespace eider::engine {
namespace {

// Run SQL from a string.
constexpr std::array<std::string_view, 31> kTableFunctions = {
    "query", "query_table", "json_execute_serialized_sql", "from_substrait", "from_substrait_json",
    // Show credentials, or what others asked.
    "duckdb_secrets", "which_secret", "load_aws_credentials", "duckdb_logs", "duckdb_log_contexts",
    // Change the instance for everyone, or write local files.
    "enable_logging", "disable_logging", "truncate_duckdb_logs", "enable_profiling",
    "disable_profiling", "enable_peg_parser", "disable_peg_parser", "checkpoint",
    "force_checkpoint",
    // Attaches a database file; reads memory by address.
    "read_duckdb", "arrow_scan", "arrow_scan_dumb", "pandas_scan", "python_map_function",
    // Change tables of an attached catalog, or show what it answers (credentials are in it).
    "set_iceberg_table_properties", "remove_iceberg_table_properties",
    "set_iceberg_schema_properties", "remove_iceberg_schema_properties", "iceberg_to_ducklake",
    "iceberg_load_table_response", "delta_set_transaction_version"};

constexpr std::array<std::string_view, 3> kScalarFunctions = {
    "getenv", "write_log", "write_blob" /* delta's: a SELECT that writes a file */};

duckdb::unique_ptr<duckdb::FunctionData> RefuseTableFunction(duckdb::ClientContext&,
                                                             duckdb::TableFunctionBindInput& input,
                                                             duckdb::vector<duckdb::LogicalType>&,
                                                             duckdb::vector<duckdb::string>&) {
  RefuseFunction(input.table_function.name);
}

duckdb::unique_ptr<duckdb::FunctionData> RefuseScalarFunction(
    duckdb::ClientContext&, duckdb::ScalarFunction& function,
    duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>&) {
  RefuseFunction(function.name);
}

void NoRows(duckdb::ClientContext&, duckdb::TableFunctionInput&, duckdb::DataChunk&) {}
void NoValue(duckdb::DataChunk&, duckdb::ExpressionState&, duckdb::Vector&) {}

void ReplaceTableFunction(duckdb::ClientContext& context, const std::string& name) {
  duckdb::Catalog& catalog = duckdb::Catalog::GetSystemCatalog(context);
  duckdb::TableFunction refused(name, {}, NoRows, RefuseTableFunction);
  refused.varargs = duckdb::LogicalType::ANY;
  // Its named parameters stay, so that a call with one is refused and not found to be wrong.
  const auto entry = catalog.GetEntry<duckdb::TableFunctionCatalogEntry>(
      context, DEFAULT_SCHEMA, name, duckdb::OnEntryNotFound::RETURN_NULL);
  if (entry) {
    for (const duckdb::TableFunction& function : entry->functions.functions) {
      for (const auto& [parameter, type] : function.named_parameters) {
        refused.named_parameters[parameter] = type;
      }
    }
  }
  duckdb::CreateTableFunctionInfo info(refused);
  info.on_conflict = duckdb::OnCreateConflict::REPLACE_ON_CONFLICT;
  info.internal = true;
  catalog.CreateFunction(context, info);
}

void ReplaceScalarFunction(duckdb::ClientContext& context, const std::string& name) {
  duckdb::ScalarFunction refused(name, {}, duckdb::LogicalType::VARCHAR, NoValue,
                                 RefuseScalarFunction);
  refused.varargs = duckdb::LogicalType::ANY;
  duckdb::CreateScalarFunctionInfo info(refused);
  info.on_conflict = duckdb::OnCreateConflict::REPLACE_ON_CONFLICT;
  info.internal = true;
  duckdb::Catalog::GetSystemCatalog(context).CreateFunction(context, info);
}

}  // namespace

bool IsRefusedFunction(std::string_view name) {
  const auto same = [&](std::string_view refused) {
    return duckdb::StringUtil::CIEquals(std::string(refused), std::string(name));
  };
  return std::ranges::any_of(kTableFunctions, same) || std::ranges::any_of(kScalarFunctions, same);
}

void RefuseFunction(std::string_view name) {
  throw duckdb::PermissionException("the function \"%s\" is not allowed here", std::string(name));
}

void ReplaceRefusedFunctions(duckdb::ClientContext& context) {
  context.RunFunctionInTransaction([&] {
    for (const std::string_view name : kTableFunctions) {
      ReplaceTableFunction(context, std::string(name));
    }
    for (const std::string_view name : kScalarFunctions) {
      ReplaceScalarFunction(context, std::string(name));
    }
  });
}

}  // namespace eider::engine
