// s3://bucket/a*/b/**/*.parquet to the objects that match it.
#pragma once

#include <string>
#include <vector>

#include "cache/reader.h"
#include "duckdb/common/open_file_info.hpp"
#include "duckdb/common/vector.hpp"

namespace eider::engine {

class QueryState;

// The objects that `path` matches, sorted and spelt as it is, with the size, ETag and time that the
// list gave; without a wildcard the one path as it is. `source` is where it is. Throws what a
// failed list gives, as DuckDB's exceptions.
duckdb::vector<duckdb::OpenFileInfo> ExpandGlob(const std::string& path,
                                                const cache::Source& source, cache::Reader& reader,
                                                QueryState& state);

}  // namespace eider::engine
