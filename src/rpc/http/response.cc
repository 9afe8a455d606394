#include "rpc/http/response.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"

namespace eider::rpc {
namespace {

std::string_view Phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Payload Too Large";
    case 422:
      return "Unprocessable Content";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

// The figures that are plain numbers, under their names in a query's record.
constexpr std::array<std::pair<const char*, int64_t protocol::Figures::*>, 11> kFigures = {{
    {"X-Eider-Rows", &protocol::Figures::rows},
    {"X-Eider-Bytes", &protocol::Figures::bytes},
    {"X-Eider-S3-Requests", &protocol::Figures::s3_requests},
    {"X-Eider-S3-List-Requests", &protocol::Figures::s3_list_requests},
    {"X-Eider-S3-Bytes", &protocol::Figures::s3_bytes},
    {"X-Eider-Cache-Bytes", &protocol::Figures::cache_bytes},
    {"X-Eider-Cache-Hits", &protocol::Figures::cache_hits},
    {"X-Eider-Cache-Misses", &protocol::Figures::cache_misses},
    {"X-Eider-Shared-Fetches", &protocol::Figures::shared_fetches},
    {"X-Eider-Retries", &protocol::Figures::retries},
    {"X-Eider-Hedges", &protocol::Figures::hedges},
}};
constexpr char kCostHeader[] = "X-Eider-Cost-Usd";

// Never in the form 1e-06, which not every client reads.
std::string Dollars(int64_t nanousd) {
  constexpr int64_t kNano = 1'000'000'000;
  const std::string fraction = std::to_string(nanousd % kNano);
  return std::to_string(nanousd / kNano) + "." + std::string(9 - fraction.size(), '0') + fraction;
}

void AppendHeader(std::string& head, std::string_view name, std::string_view value) {
  head.append(name).append(": ");
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    head.push_back(byte < 0x20 || byte == 0x7f ? ' ' : c);
  }
  head.append("\r\n");
}

}  // namespace

Response ErrorResponse(const arrow::Status& why, int status) {
  const base::ErrorInfo info = base::ErrorOf(why);
  Response response{.status = status, .headers = {}, .body = base::EncodeError(info)};
  if (info.code == base::ErrorCode::kOverloaded) {
    const int64_t seconds = (info.retry_after_ms.value_or(0) + 999) / 1000;
    response.headers.emplace_back("Retry-After", std::to_string(std::max<int64_t>(1, seconds)));
  }
  return response;
}

Response ErrorResponse(const arrow::Status& why) {
  return ErrorResponse(why, base::HttpStatus(base::ErrorOf(why).code));
}

Response MissResponse(const RouteMiss& miss) {
  const auto code =
      miss.status == 404 ? base::ErrorCode::kNotFound : base::ErrorCode::kInvalidQuery;
  Response response = ErrorResponse(base::MakeError(code, miss.message), miss.status);
  if (!miss.allow.empty()) response.headers.emplace_back("Allow", miss.allow);
  return response;
}

Headers QueryHeaders(const std::string& query_id,
                     const std::optional<coordinator::ClaimInfo>& claim) {
  Headers headers;
  const std::string& id = claim && !claim->query_id.empty() ? claim->query_id : query_id;
  if (!id.empty()) headers.emplace_back("X-Eider-Query-Id", id);
  if (!claim) return headers;
  headers.emplace_back("X-Eider-Worker", claim->worker_id);
  headers.emplace_back("X-Eider-Reason", claim->reason);
  headers.emplace_back("X-Eider-Queue-Ms", std::to_string(claim->queue_ms));
  return headers;
}

Headers FigureHeaders(const protocol::Figures& figures) {
  Headers headers;
  for (const auto& [name, member] : kFigures) {
    headers.emplace_back(name, std::to_string(figures.*member));
  }
  headers.emplace_back(kCostHeader, Dollars(figures.cost_nanousd));
  return headers;
}

std::string FigureNames() {
  std::string names;
  for (const auto& [name, member] : kFigures) names.append(name).append(", ");
  return names.append(kCostHeader);
}

std::string FormatHead(int status, std::string_view content_type, const Headers& headers,
                       const Framing& framing) {
  std::string head = "HTTP/1.1 " + std::to_string(status) + " ";
  head.append(Phrase(status)).append("\r\n");
  AppendHeader(head, "Content-Type", content_type);
  if (framing.content_length) {
    AppendHeader(head, "Content-Length", std::to_string(*framing.content_length));
  } else {
    AppendHeader(head, "Transfer-Encoding", "chunked");
  }
  for (const auto& [name, value] : headers) AppendHeader(head, name, value);
  if (framing.close) AppendHeader(head, "Connection", "close");
  return head.append("\r\n");
}

std::string LastChunk(const Headers& trailers) {
  std::string chunk = "0\r\n";
  for (const auto& [name, value] : trailers) AppendHeader(chunk, name, value);
  return chunk.append("\r\n");
}

std::string ChunkHead(int64_t bytes) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof(digits), bytes, 16).ptr;
  return std::string(digits, end).append("\r\n");
}

}  // namespace eider::rpc
