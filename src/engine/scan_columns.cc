#include "engine/scan_columns.h"

#include <string>
#include <vector>

#include "duckdb.hpp"
#include "duckdb/main/config.hpp"
#include "duckdb/optimizer/optimizer_extension.hpp"
#include "duckdb/planner/operator/logical_get.hpp"
#include "engine/query_state.h"

namespace eider::engine {
namespace {

void Collect(const duckdb::LogicalOperator& plan, std::vector<std::string>* columns) {
  if (plan.type == duckdb::LogicalOperatorType::LOGICAL_GET) {
    const auto& get = plan.Cast<duckdb::LogicalGet>();
    if (get.function.name == "parquet_scan" || get.function.name == "read_parquet") {
      for (const duckdb::ColumnIndex& column : get.GetColumnIds()) {
        // Of a struct it may read some fields only; file_row_number and the like are no columns.
        if (column.HasChildren() || column.IsVirtualColumn()) continue;
        if (column.GetPrimaryIndex() >= get.names.size()) continue;
        columns->push_back(get.names[column.GetPrimaryIndex()]);
      }
    }
  }
  for (const auto& child : plan.children) Collect(*child, columns);
}

void OnOptimized(duckdb::OptimizerExtensionInput& input,
                 duckdb::unique_ptr<duckdb::LogicalOperator>& plan) {
  const auto state = QueryState::Of(input.context);
  if (!state) return;
  std::vector<std::string> columns;
  Collect(*plan, &columns);
  state->parquet().Plan(columns);
}

}  // namespace

void WatchScannedColumns(duckdb::DuckDB& database) {
  duckdb::OptimizerExtension extension;
  extension.optimize_function = OnOptimized;
  duckdb::OptimizerExtension::Register(duckdb::DBConfig::GetConfig(*database.instance),
                                       std::move(extension));
}

}  // namespace eider::engine
