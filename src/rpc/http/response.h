// Answers as values, and how they look on the wire. Pure.
#pragma once

#include <arrow/status.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/service.h"
#include "rpc/http/router.h"

namespace eider::rpc {

inline constexpr std::string_view kArrowStreamType = "application/vnd.apache.arrow.stream";
inline constexpr std::string_view kJsonType = "application/json";

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Response {
  int status = 200;
  std::string content_type{kJsonType};
  Headers headers;
  std::string body;
};

// The JSON error of the API with the status that its code has; with Retry-After where the client
// is to come back.
Response ErrorResponse(const arrow::Status& why);
// The same under another status: 405, 413, ...
Response ErrorResponse(const arrow::Status& why, int status);
Response MissResponse(const RouteMiss& miss);

// X-Eider-Query-Id and, where the query was claimed, -Worker, -Reason and -Queue-Ms.
Headers QueryHeaders(const std::string& query_id,
                     const std::optional<coordinator::ClaimInfo>& claim);

// What the query cost, X-Eider-Rows and the like.
Headers FigureHeaders(const protocol::Figures& figures);
// The names of those, as the Trailer header announces them.
std::string FigureNames();

// How the end of a body is told.
struct Framing {
  std::optional<int64_t> content_length;  // none: chunked
  bool close = false;                     // the connection ends after this answer
};

// Status line and headers with the empty line. Control characters in values become spaces, so that
// no value makes a header of its own.
std::string FormatHead(int status, std::string_view content_type, const Headers& headers,
                       const Framing& framing);

// What stands before the bytes of a chunk ("1f\r\n"); "\r\n" stands after them.
std::string ChunkHead(int64_t bytes);
inline constexpr std::string_view kChunkEnd = "\r\n";
// What ends a chunked body.
std::string LastChunk(const Headers& trailers);

}  // namespace eider::rpc
