// Plan: what a query reads, what its affinity is computed on, whether it may run at all.
#pragma once

#include <arrow/result.h>

#include <optional>
#include <string>
#include <vector>

#include "protocol/query.h"

namespace eider::coordinator {

struct Plan {
  // That the SQL and the request's `buckets` name, globs as written, sorted, each once.
  std::vector<std::string> files;
  // What affinity is computed on; none for a query that reads no file or computes its paths.
  std::optional<std::string> key;
  bool writes = false;
};

// Reads the query's SQL with DuckDB's parser. Pure; about 0.1 ms.
// Errors: those of engine::Inspect: INVALID_QUERY, PERMISSION_DENIED.
arrow::Result<Plan> PlanQuery(const protocol::Query& query);

// One key for a set of files: a single file's URL, a glob's fixed prefix, otherwise a hash of the
// list. None for no files. REQUIRES: `files` are sorted, each once.
std::optional<std::string> KeyOf(const std::vector<std::string>& files);

}  // namespace eider::coordinator
