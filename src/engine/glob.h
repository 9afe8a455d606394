// s3://bucket/a*/b/**/*.parquet to the objects that match it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cache/reader.h"
#include "duckdb/common/open_file_info.hpp"
#include "duckdb/common/vector.hpp"

namespace eider::engine {

class QueryState;

// Whether a key matches a pattern by httpfs's rules: folder by folder, `**` for any number of them,
// `*`, `?` and `[...]` within one.
bool MatchesGlob(std::string_view key, std::string_view pattern);

// The objects that `pattern` (a source whose key has wildcards) matches, sorted, with the size, ETag
// and time that the list gave; without a wildcard the one path as it is. Throws what a failed list
// gives, as DuckDB's exceptions.
duckdb::vector<duckdb::OpenFileInfo> ExpandGlob(const cache::Source& pattern,
                                                cache::Reader& reader, QueryState& state);

}  // namespace eider::engine
