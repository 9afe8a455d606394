// What a client submits, before anything is decided about it.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/value.h"

namespace eider::protocol {

// How a task uses its worker's cache.
enum class CacheMode {
  kUse,      // read, and fill
  kPassive,  // read what is there, never insert
  kOff,      // neither
  kRefresh,  // ignore, then fill
};
std::string_view CacheModeName(CacheMode mode);
arrow::Result<CacheMode> ParseCacheMode(std::string_view name);

// The arguments of a statement: either positional (`?`, `$1`) or named (`$name`), never both.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
  bool operator==(const Arguments&) const = default;
};
Value EncodeArguments(const Arguments& arguments);             // a list or a struct
arrow::Result<Arguments> DecodeArguments(const Value& value);  // null, list or struct

struct Query {
  std::string id;  // given by the coordinator: 16 hex digits
  std::string sql;
  Arguments arguments;
  std::vector<std::string> files;  // the request's `buckets`: URLs that it reads
  bool write = false;              // came by /write
  CacheMode cache_mode = CacheMode::kUse;
  int64_t timeout_ms = 0;  // 0: the coordinator's default
  int priority = 0;        // higher first; -10 to 10
  std::string client;      // identity for fairness
  std::string trace_id;
};

// Decodes the body of POST /read and /write (also the command of GetFlightInfo):
//   {"query": "...", "args": [...] or {...}, "buckets": [...], "cache": "use", "timeout_ms": 1000,
//    "priority": 0}
// Errors: INVALID_QUERY naming the field that is missing, unknown or of the wrong type.
arrow::Result<Query> DecodeQuery(std::string_view json, bool write);

}  // namespace eider::protocol
