// Keeps a table whose manifests cannot be read from ending the process.
#pragma once

namespace duckdb {
class ClientContext;
}

namespace eider::engine {

// Where the iceberg extension is loaded: iceberg_scan reads all manifests once before it goes on as
// ever, so that one that is missing, not allowed or no manifest is an error of the query. In the
// extension of 1.5.5 the scan's own threads read them, and their error leaves a destructor, which
// is std::terminate (duckdb-iceberg 75829ec33 mends it). What was read is in the query's memory, so
// it costs no request. Nothing happens where the extension is not loaded.
void GuardIcebergTables(duckdb::ClientContext& context);

}  // namespace eider::engine
