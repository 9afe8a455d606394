// Reads SQL with DuckDB's own parser, without running or binding it: the coordinator's plan, and
// the worker's policy, from one function.
#pragma once

#include <arrow/result.h>

#include <string>
#include <vector>

#include "protocol/query.h"

namespace eider::engine {

struct Inspection {
  // The files that the statement names: literals and bound parameters of the reading table
  // functions, lists of them, FROM 'url'. Globs are as written. In order, without duplicates.
  std::vector<std::string> files;
  // Names of tables that look like paths of local files, without an ending that DuckDB reads.
  std::vector<std::string> path_like_tables;
  // True when a path is computed, so that `files` is not all that it reads.
  bool computed_paths = false;
  // COPY ... TO and the like: to be sent at most once.
  bool writes = false;
};

// Errors: INVALID_QUERY for a syntax error (DuckDB's message and position), no or several
// statements, a kind of statement that the path does not allow (it names what is allowed);
// PERMISSION_DENIED for INSTALL, LOAD, S3 URLs with ?s3_... parameters, and refused functions.
arrow::Result<Inspection> Inspect(const std::string& sql, const protocol::Arguments& arguments,
                                  bool write);

}  // namespace eider::engine
