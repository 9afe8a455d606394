// How an instance is set up, and closed to everything that queries have no business with.
#pragma once

#include <arrow/status.h>

#include <string>
#include <vector>

#include "engine/engine.h"

namespace duckdb {
class Connection;
class DuckDB;
}  // namespace duckdb

namespace eider::engine {

class GuardedLocalFileSystem;
class ReadPath;

// Loads the extensions, makes the S3 secret, runs the init SQL, puts `read_path` between DuckDB and
// httpfs, and closes the sandbox. `local` is the instance's own; `read_path` must outlive it.
// Errors: INVALID_QUERY that says which option is wrong.
arrow::Status SetUp(duckdb::DuckDB& database, GuardedLocalFileSystem& local, ReadPath& read_path,
                    const EngineOptions& options);

// Every key and token that the instance's secrets hold now, to be kept out of messages.
std::vector<std::string> CredentialsOf(duckdb::DuckDB& database);

}  // namespace eider::engine
