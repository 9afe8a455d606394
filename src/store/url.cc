#include "store/url.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/error.h"

namespace eider::store {
namespace {

constexpr std::array<std::string_view, 6> kSchemes = {"s3", "s3a", "s3n", "gs", "gcs", "r2"};
constexpr std::string_view kSeparator = "://";

// The scheme, or nothing where it is none of ours.
std::string_view SchemeOf(std::string_view url) {
  const size_t end = url.find(kSeparator);
  if (end == std::string_view::npos) return {};
  const std::string_view scheme = url.substr(0, end);
  return std::ranges::find(kSchemes, scheme) == kSchemes.end() ? std::string_view() : scheme;
}

// It becomes part of a host's name: nothing that would make it another host.
bool IsBucket(std::string_view bucket) {
  return !bucket.empty() && bucket != "." && bucket != ".." &&
         std::ranges::all_of(bucket, [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_';
         });
}

}  // namespace

bool IsObjectUrl(std::string_view url) { return !SchemeOf(url).empty(); }

arrow::Result<ObjectUrl> ParseObjectUrl(std::string_view url) {
  const std::string_view scheme = SchemeOf(url);
  if (scheme.empty()) {
    return base::MakeError(base::ErrorCode::kInvalidQuery,
                           "`" + UrlForMessages(url) +
                               "` is no URL of object storage: it begins with s3://, s3a://, "
                               "s3n://, gs://, gcs:// or r2://");
  }
  const std::string_view rest = url.substr(scheme.size() + kSeparator.size());
  const size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view bucket = rest.substr(0, slash);
  if (!IsBucket(bucket)) {
    return base::MakeError(base::ErrorCode::kInvalidQuery,
                           "`" + std::string(url) + "` names no bucket: `" + std::string(bucket) +
                               "` is not made of letters, digits, `-`, `.` and `_`");
  }
  ObjectUrl parsed{.scheme = std::string(scheme), .object = {.bucket = std::string(bucket)}};
  if (slash < rest.size()) parsed.object.key = rest.substr(slash + 1);
  return parsed;
}

std::string UrlForMessages(std::string_view url) {
  if (!url.starts_with("http://") && !url.starts_with("https://")) return std::string(url);
  url = url.substr(0, url.find_first_of("?#"));
  const size_t host = url.find(kSeparator) + kSeparator.size();
  const size_t path = std::min(url.find('/', host), url.size());
  const size_t at = url.substr(0, path).rfind('@');
  if (at == std::string_view::npos) return std::string(url);
  return std::string(url.substr(0, host)) + std::string(url.substr(at + 1));
}

}  // namespace eider::store
