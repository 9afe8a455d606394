// A query's arguments as DuckDB values.
#pragma once

#include <arrow/result.h>

#include "duckdb/common/case_insensitive_map.hpp"
#include "duckdb/planner/expression/bound_parameter_data.hpp"
#include "protocol/query.h"

namespace duckdb {
class ClientContext;
}

namespace eider::engine {

using BoundArguments = duckdb::case_insensitive_map_t<duckdb::BoundParameterData>;

// The arguments, for a statement with these `parameters` (its named_param_map).
// Integers become the smallest of INTEGER, BIGINT, HUGEINT and UHUGEINT that holds them, as a
// literal would. Lists of mixed numbers promote; an object is a STRUCT.
// Errors: INVALID_QUERY with both counts when there are more or fewer than parameters; naming the
// argument when it has no value in DuckDB, or its type is unknown or does not fit it.
arrow::Result<BoundArguments> BindArguments(
    duckdb::ClientContext& context, const protocol::Arguments& arguments,
    const duckdb::case_insensitive_map_t<duckdb::idx_t>& parameters);

}  // namespace eider::engine
