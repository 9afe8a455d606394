// The one way around DuckDB's file systems: the delta extension reads a table's log with an HTTP
// client of its own.
#pragma once

namespace duckdb {
class ClientContext;
}

namespace eider::engine {

// Where the delta extension is loaded: its table functions take tables in S3 only, are checked
// against the sandbox, and find the S3 secret renewed. Nothing happens where it is not loaded.
void GuardDeltaTables(duckdb::ClientContext& context);

}  // namespace eider::engine
