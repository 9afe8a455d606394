#include "engine/delta_tables.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <utility>

#include "duckdb.hpp"
#include "duckdb/catalog/catalog.hpp"
#include "duckdb/catalog/catalog_entry/table_function_catalog_entry.hpp"
#include "duckdb/common/file_system.hpp"
#include "duckdb/function/table_function.hpp"
#include "engine/paths.h"

namespace eider::engine {
namespace {

using duckdb::TableFunction;

// Each is bound by the extension once it has passed.
constexpr std::array kFunctions = {"delta_scan", "delta_list_files", "delta_domain_metadata",
                                   "delta_get_transaction_version"};

// The same in every instance: the extension's code is loaded once in a process.
std::array<std::atomic<duckdb::table_function_bind_t>, kFunctions.size()> g_bind;

// Local tables are refused also where their folder is allowed: the log is read past the guard of
// local files, and may name any other.
void CheckTable(duckdb::ClientContext& context, std::string table) {
  constexpr std::array kSchemes = {"s3://", "gs://", "gcs://", "r2://"};
  const auto starts = [&](const char* scheme) { return table.starts_with(scheme); };
  RefuseUnsafeUrl(table);
  if (!std::ranges::any_of(kSchemes, starts) || !HasPossibleBucket(table) ||
      table.find('?') != std::string::npos) {
    throw duckdb::PermissionException(
        "\"%s\": Cannot access file: Delta tables are read from s3://bucket/path only", table);
  }
  while (table.ends_with('/')) table.pop_back();
  // By our own file system: it checks the sandbox, renews a secret that has expired and says in
  // words what S3 refuses; the extension's client would only say that it failed, after retries.
  duckdb::FileSystem::GetFileSystem(context).FileExists(table + "/_delta_log/_last_checkpoint");
}

template <size_t kFunction>
duckdb::unique_ptr<duckdb::FunctionData> Bind(duckdb::ClientContext& context,
                                              duckdb::TableFunctionBindInput& input,
                                              duckdb::vector<duckdb::LogicalType>& types,
                                              duckdb::vector<duckdb::string>& names) {
  if (!input.inputs.empty() && !input.inputs[0].IsNull()) {
    const duckdb::Value& tables = input.inputs[0];
    if (tables.type().id() == duckdb::LogicalTypeId::LIST) {
      for (const duckdb::Value& table : duckdb::ListValue::GetChildren(tables)) {
        CheckTable(context, table.ToString());
      }
    } else {
      CheckTable(context, tables.ToString());
    }
  }
  return g_bind[kFunction].load()(context, input, types, names);
}

template <size_t kFunction>
void Guard(duckdb::ClientContext& context) {
  auto entry =
      duckdb::Catalog::GetSystemCatalog(context).GetEntry<duckdb::TableFunctionCatalogEntry>(
          context, DEFAULT_SCHEMA, kFunctions[kFunction], duckdb::OnEntryNotFound::RETURN_NULL);
  if (!entry) return;
  for (TableFunction& function : entry->functions.functions) {
    if (function.bind == &Bind<kFunction>) continue;
    g_bind[kFunction] = function.bind;
    function.bind = &Bind<kFunction>;
    // Log files that the caller names, wherever they are.
    function.named_parameters.erase("log_tail");
  }
}

template <size_t... kFunction>
void GuardAll(duckdb::ClientContext& context, std::index_sequence<kFunction...>) {
  (Guard<kFunction>(context), ...);
}

}  // namespace

void GuardDeltaTables(duckdb::ClientContext& context) {
  context.RunFunctionInTransaction(
      [&] { GuardAll(context, std::make_index_sequence<kFunctions.size()>()); });
}

}  // namespace eider::engine
