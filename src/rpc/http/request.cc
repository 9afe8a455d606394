#include "rpc/http/request.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "protocol/any_query.h"
#include "protocol/value.h"
#include "rpc/http/response.h"

namespace eider::rpc {
namespace {

using base::ErrorCode;
using base::MakeError;

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// The next part of `text` up to `separator`, which goes with it.
std::string_view TakePart(std::string_view& text, char separator) {
  const std::string_view part = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(text.size(), part.size() + 1));
  return Trim(part);
}

bool IsZeroWeight(std::string_view parameter) {
  return (parameter.starts_with("q=0") || parameter.starts_with("Q=0")) &&
         parameter.find_first_not_of("0.", 2) == std::string_view::npos;
}

bool IsTraceparent(std::string_view text) {
  return text.size() == 55 && std::ranges::all_of(text, [](unsigned char c) {
           return std::isxdigit(c) != 0 || c == '-';
         });
}

}  // namespace

bool WantsArrowStream(std::string_view accept) {
  while (!accept.empty()) {
    std::string_view range = TakePart(accept, ',');
    if (!EqualsIgnoringCase(TakePart(range, ';'), kArrowStreamType)) continue;
    bool refused = false;
    while (!range.empty()) refused |= IsZeroWeight(TakePart(range, ';'));
    if (!refused) return true;
  }
  return false;
}

bool TakesTrailers(std::string_view te) {
  while (!te.empty()) {
    if (EqualsIgnoringCase(TakePart(te, ','), "trailers")) return true;
  }
  return false;
}

arrow::Result<protocol::Query> DecodeQueryRequest(const RequestHead& head, std::string_view body,
                                                  std::optional<bool> write,
                                                  const std::string& peer_address,
                                                  int64_t max_sql_bytes) {
  ARROW_ASSIGN_OR_RAISE(protocol::Query query, write ? protocol::DecodeQuery(body, *write)
                                                     : protocol::DecodeAnyQuery(body));
  if (static_cast<int64_t>(query.sql.size()) >= max_sql_bytes) {
    return MakeError(ErrorCode::kInvalidQuery,
                     "query: its SQL has " + std::to_string(query.sql.size()) +
                         " bytes; it must have fewer than " + std::to_string(max_sql_bytes) +
                         ". Long lists go into args");
  }
  query.client = head.client.empty() ? peer_address : head.client.substr(0, kMaxClientBytes);
  if (query.trace_id.empty() && IsTraceparent(head.traceparent)) query.trace_id = head.traceparent;
  return query;
}

arrow::Result<std::string> DecodeClearCache(std::string_view body) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) return "";
  ARROW_ASSIGN_OR_RAISE(const protocol::Value value, protocol::ParseJson(body));
  if (value.kind != protocol::Value::Kind::kStruct) {
    return MakeError(ErrorCode::kInvalidQuery, "the body must be an object");
  }
  std::string location;
  for (size_t i = 0; i < value.names.size(); ++i) {
    if (value.names[i] != "worker_location") {
      return MakeError(ErrorCode::kInvalidQuery,
                       "unknown field " + value.names[i] + "; /clear_cache takes worker_location");
    }
    const protocol::Value& field = value.items[i];
    if (field.kind == protocol::Value::Kind::kNull) continue;
    if (field.kind != protocol::Value::Kind::kString || field.text.empty()) {
      return MakeError(ErrorCode::kInvalidQuery,
                       "worker_location must be a string such as grpc://host:5005");
    }
    location = field.text;
  }
  return location;
}

}  // namespace eider::rpc
