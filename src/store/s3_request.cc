#include "store/s3_request.h"

#include "config/limits.h"
#include "store/percent.h"

namespace eider::store {
namespace {

std::string BucketUrl(const Access& access, const std::string& bucket) {
  const std::string scheme = access.use_ssl ? "https://" : "http://";
  if (access.plain_http) return scheme + access.endpoint + "/";
  if (access.path_style) return scheme + access.endpoint + "/" + EncodePath(bucket) + "/";
  return scheme + bucket + "." + access.endpoint + "/";
}

std::string ObjectUrlOf(const GetRequest& request) {
  const Access& access = *request.access;
  const std::string base = BucketUrl(access, request.object.bucket);
  const std::string& key = request.object.key;
  if (access.plain_http) return base + (key.starts_with('/') ? key.substr(1) : key);
  return base + EncodePath(key);
}

HttpRequest Begin(HttpRequest::Kind kind, std::string url, std::shared_ptr<const Access> access) {
  HttpRequest http{.kind = kind, .url = std::move(url), .access = std::move(access)};
  if (!http.access->plain_http && !http.access->bearer_token.empty()) {
    http.headers.push_back("Authorization: Bearer " + http.access->bearer_token);
  }
  if (!IsSigned(*http.access)) return http;
  // Of the empty body. libcurl signs what is here and would not send it by itself.
  http.headers.emplace_back(
      "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  if (!http.access->session_token.empty()) {
    http.headers.push_back("x-amz-security-token: " + http.access->session_token);
  }
  if (http.access->requester_pays) http.headers.emplace_back("x-amz-request-payer: requester");
  return http;
}

}  // namespace

bool IsSigned(const Access& access) {
  return !access.plain_http && access.bearer_token.empty() && !access.key_id.empty();
}

bool IsAnonymous(const Access& access) {
  return !IsSigned(access) && (access.plain_http || access.bearer_token.empty());
}

std::string RangeHeader(const Range& range) {
  if (range.kind == Range::Kind::kSuffix) return "bytes=-" + std::to_string(range.length);
  return "bytes=" + std::to_string(range.offset) + "-" +
         std::to_string(range.offset + range.length - 1);
}

std::string TagOfTime(int64_t last_modified_ms, int64_t size) {
  if (last_modified_ms == 0) return {};
  return "modified-" + std::to_string(last_modified_ms) + "-" + std::to_string(size);
}

bool IsStrongETag(std::string_view tag) {
  return !tag.empty() && !tag.starts_with("W/") && !tag.starts_with("modified-");
}

HttpRequest ObjectGet(const GetRequest& request) {
  HttpRequest http = Begin(HttpRequest::Kind::kGet, ObjectUrlOf(request), request.access);
  http.headers.push_back("Range: " + RangeHeader(request.range));
  // A weak ETag never satisfies If-Match; the answer's own is compared in any case.
  if (IsStrongETag(request.if_match)) http.headers.push_back("If-Match: " + request.if_match);
  if (!request.if_none_match.empty() && !request.if_none_match.starts_with("modified-")) {
    http.headers.push_back("If-None-Match: " + request.if_none_match);
  }
  return http;
}

HttpRequest ObjectHead(const GetRequest& request) {
  return Begin(HttpRequest::Kind::kHead, ObjectUrlOf(request), request.access);
}

HttpRequest BucketList(const ListRequest& request) {
  // In the order of their names: libcurl 7.88 signs the query as it stands.
  std::string query;
  const auto add = [&query](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    query += query.empty() ? "?" : "&";
    query += name;
    query += '=';
    query += EncodeQuery(value);
  };
  add("continuation-token", request.continuation);
  add("delimiter", request.delimiter);
  add("encoding-type", "url");
  add("list-type", "2");
  add("max-keys", std::to_string(config::kMaxS3KeysPerPage));
  add("prefix", request.prefix);
  return Begin(HttpRequest::Kind::kList, BucketUrl(*request.access, request.bucket) + query,
               request.access);
}

}  // namespace eider::store
