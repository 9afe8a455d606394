// The end of DuckDB's pipelines: what its tasks make goes into a ResultQueue.
#pragma once

#include <memory>

#include "duckdb/common/unique_ptr.hpp"
#include "duckdb/execution/physical_operator.hpp"
#include "engine/result_queue.h"

namespace duckdb {
class ClientContext;
class PreparedStatementData;
}  // namespace duckdb

namespace eider::engine {

// Of the statement whose plan `data` holds: see ClientConfig::get_result_collector. The rows come
// in the order that DuckDB's own collectors would keep, made by as many tasks. The statement's own
// result is empty.
duckdb::unique_ptr<duckdb::PhysicalOperator> CollectInto(std::shared_ptr<ResultQueue> queue,
                                                         duckdb::ClientContext& context,
                                                         duckdb::PreparedStatementData& data);

}  // namespace eider::engine
