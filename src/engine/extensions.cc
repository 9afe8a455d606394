#include "engine/extensions.h"

#include <filesystem>
#include <optional>
#include <utility>

#include "base/error.h"
#include "duckdb.hpp"
#include "duckdb/main/extension_helper.hpp"
#include "duckdb/parser/parsed_data/load_info.hpp"
#include "duckdb/parser/statement/load_statement.hpp"
#include "engine/quoting.h"

namespace eider::engine {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> FindExtension(const std::string& folder, const std::string& name) {
  const std::string file = name + ".duckdb_extension";
  for (const fs::path& path : {fs::path(folder) / file, fs::path(folder) / name / file}) {
    std::error_code ignored;
    if (fs::exists(path, ignored)) return fs::absolute(path).string();
  }
  return std::nullopt;
}

// What an extension would load by itself, from a place that is not ours.
std::vector<std::string> NeededBy(const std::string& name) {
  if (name == "iceberg") return {"avro"};
  return {};
}

void Throwing(duckdb::unique_ptr<duckdb::QueryResult> result) {
  while (result) {
    if (result->HasError()) result->ThrowError();
    result = std::move(result->next);
  }
}

// The name that a LOAD or INSTALL of one that is in `folder` gives.
std::optional<std::string> ShippedName(const duckdb::SQLStatement& statement,
                                       const std::string& folder) {
  if (statement.type != duckdb::StatementType::LOAD_STATEMENT) return std::nullopt;
  const std::string& file = statement.Cast<duckdb::LoadStatement>().info->filename;
  if (duckdb::ExtensionHelper::IsFullPath(file)) return std::nullopt;
  std::string name = duckdb::ExtensionHelper::GetExtensionName(file);
  if (!FindExtension(folder, name)) return std::nullopt;
  return name;
}

}  // namespace

arrow::Status LoadExtension(duckdb::Connection& connection, const std::string& folder,
                            const std::string& name) {
  for (const std::string& needed : NeededBy(name)) {
    ARROW_RETURN_NOT_OK(LoadExtension(connection, folder, needed));
  }
  const std::optional<std::string> path = FindExtension(folder, name);
  if (!path) {
    return base::MakeError(base::ErrorCode::kInvalidQuery,
                           "the extension " + name + " is not in " + folder);
  }
  Throwing(connection.Query("LOAD " + Quoted(*path)));
  return arrow::Status::OK();
}

arrow::Status RunInitSql(duckdb::Connection& connection, const std::string& folder,
                         const std::string& sql) {
  for (auto& statement : connection.ExtractStatements(sql)) {
    const std::optional<std::string> shipped = ShippedName(*statement, folder);
    if (!shipped) {
      Throwing(connection.Query(std::move(statement)));
    } else if (statement->Cast<duckdb::LoadStatement>().info->load_type == duckdb::LoadType::LOAD) {
      ARROW_RETURN_NOT_OK(LoadExtension(connection, folder, *shipped));
    }
  }
  return arrow::Status::OK();
}

}  // namespace eider::engine
