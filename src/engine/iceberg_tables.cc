#include "engine/iceberg_tables.h"

#include <atomic>
#include <string>
#include <utility>

#include "duckdb.hpp"
#include "duckdb/catalog/catalog.hpp"
#include "duckdb/catalog/catalog_entry/table_function_catalog_entry.hpp"
#include "duckdb/function/table_function.hpp"

namespace eider::engine {
namespace {

using duckdb::TableFunction;

// The same in every instance: the extension's code is loaded once in a process.
std::atomic<duckdb::table_function_bind_t> g_bind;

duckdb::optional_ptr<duckdb::TableFunctionCatalogEntry> Find(duckdb::ClientContext& context,
                                                             const char* name) {
  return duckdb::Catalog::GetSystemCatalog(context).GetEntry<duckdb::TableFunctionCatalogEntry>(
      context, DEFAULT_SCHEMA, name, duckdb::OnEntryNotFound::RETURN_NULL);
}

// iceberg_metadata reads every manifest of the snapshot when it is bound, on this thread.
void ReadManifests(duckdb::ClientContext& context, const duckdb::TableFunctionBindInput& scan,
                   const duckdb::Value& table) {
  auto entry = Find(context, "iceberg_metadata");
  if (!entry) return;
  TableFunction metadata = entry->functions.GetFunctionByOffset(0);
  duckdb::vector<duckdb::Value> inputs = {table};
  duckdb::named_parameter_map_t parameters;
  for (const auto& [name, value] : scan.named_parameters) {
    if (metadata.named_parameters.contains(name)) parameters[name] = value;
  }
  duckdb::TableFunctionBindInput input(inputs, parameters, scan.input_table_types,
                                       scan.input_table_names, metadata.function_info.get(),
                                       scan.binder, metadata, scan.ref);
  duckdb::vector<duckdb::LogicalType> types;
  duckdb::vector<duckdb::string> names;
  metadata.bind(context, input, types, names);
}

duckdb::unique_ptr<duckdb::FunctionData> Bind(duckdb::ClientContext& context,
                                              duckdb::TableFunctionBindInput& input,
                                              duckdb::vector<duckdb::LogicalType>& types,
                                              duckdb::vector<duckdb::string>& names) {
  if (!input.inputs.empty() && !input.inputs[0].IsNull()) {
    const duckdb::Value& tables = input.inputs[0];
    if (tables.type().id() == duckdb::LogicalTypeId::LIST) {
      for (const duckdb::Value& table : duckdb::ListValue::GetChildren(tables)) {
        if (!table.IsNull()) ReadManifests(context, input, table);
      }
    } else {
      ReadManifests(context, input, tables);
    }
  }
  return g_bind.load()(context, input, types, names);
}

}  // namespace

void GuardIcebergTables(duckdb::ClientContext& context) {
  context.RunFunctionInTransaction([&] {
    auto entry = Find(context, "iceberg_scan");
    if (!entry) return;
    for (TableFunction& function : entry->functions.functions) {
      if (function.bind == &Bind) continue;
      g_bind = function.bind;
      function.bind = &Bind;
    }
  });
}

}  // namespace eider::engine
