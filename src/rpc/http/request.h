// From the bytes of a request to what the service takes. Pure.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/query.h"

namespace eider::rpc {

// The parts of a request's head that are looked at; each empty where the header is missing.
struct RequestHead {
  std::string method;
  std::string target;
  bool http_1_0 = false;
  bool close = false;  // the client wants the connection closed after the answer
  std::string accept;
  std::string te;           // what it can take beyond chunks
  std::string client;       // X-Eider-Client
  std::string traceparent;  // W3C trace context
};

// Whether an Accept header names the Arrow stream (and not with q=0). "*/*" does not: the JSON form
// is the default.
bool WantsArrowStream(std::string_view accept);

// Whether a TE header says that trailers are read.
bool TakesTrailers(std::string_view te);

// The longest identity that is told apart; the rest of a longer one is cut off.
inline constexpr size_t kMaxClientBytes = 256;

// The body of POST /read and /write, with who asks: X-Eider-Client, else `peer_address`. Of
// POST /v1/explain, where `write` is none, the body itself may say `"write": true`.
// Errors: INVALID_QUERY, also for SQL of `max_sql_bytes` or more.
arrow::Result<protocol::Query> DecodeQueryRequest(const RequestHead& head, std::string_view body,
                                                  std::optional<bool> write,
                                                  const std::string& peer_address,
                                                  int64_t max_sql_bytes);

// The body of POST /clear_cache: the worker's location, "" for all of them.
arrow::Result<std::string> DecodeClearCache(std::string_view body);

}  // namespace eider::rpc
