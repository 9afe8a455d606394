// DuckDB's extensions that Eider ships, and the init SQL that loads more of them by name.
#pragma once

#include <arrow/status.h>

#include <string>
#include <vector>

namespace duckdb {
class Connection;
}

namespace eider::engine {

// Loads `name`, and before it what it needs, from `folder` (NAME.duckdb_extension, also one folder
// down). What is loaded already stays. Nothing is ever fetched from the network.
// Errors: INVALID_QUERY where the file is not there. Throws DuckDB's exceptions.
arrow::Status LoadExtension(duckdb::Connection& connection, const std::string& folder,
                            const std::string& name);

// Runs the statements of an init file one after another. `LOAD name` takes the extension from
// `folder` where it is there, else from where DuckDB itself looks; `INSTALL name` of one that is
// there has nothing to do. Throws DuckDB's exception of the statement that failed.
arrow::Status RunInitSql(duckdb::Connection& connection, const std::string& folder,
                         const std::string& sql);

}  // namespace eider::engine
