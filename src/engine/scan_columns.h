// Which columns of Parquet files a query's plan reads.
#pragma once

namespace duckdb {
class DuckDB;
}

namespace eider::engine {

// From here on every query's optimized plan is looked through, and its QueryState told. REQUIRES:
// no query has run yet.
void WatchScannedColumns(duckdb::DuckDB& database);

}  // namespace eider::engine
