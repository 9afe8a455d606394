#include "engine/paths.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "duckdb/common/exception.hpp"

namespace eider::engine {
namespace {

std::string Lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string PercentDecoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
                        HexDigit(text[i + 2]) >= 0;
    if (!escape) {
      out += text[i];
      continue;
    }
    out += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
    i += 2;
  }
  return out;
}

// Whether a name that starts with "s3_" stands where a query parameter's name may stand.
bool NamesParameter(const std::string& text) {
  for (size_t at = text.find("s3_"); at != std::string::npos; at = text.find("s3_", at + 1)) {
    size_t start = at;
    while (start > 0 && (std::isspace(static_cast<unsigned char>(text[start - 1])) != 0 ||
                         text[start - 1] == '+')) {
      --start;
    }
    if (start == 0 || text[start - 1] == '&' || text[start - 1] == '?' || text[start - 1] == ';') {
      return true;
    }
  }
  return false;
}

// Servers, and libcurl, read "/a/../b" as "/b", in whatever spelling.
bool StepsOut(const std::string& url) {
  if (!url.starts_with("http://") && !url.starts_with("https://")) return false;
  const std::string path = Lower(PercentDecoded(PercentDecoded(url))) + '/';
  return path.find("/../") != std::string::npos || path.find("/./") != std::string::npos ||
         path.find('\\') != std::string::npos;
}

}  // namespace

bool IsFileName(std::string_view name) {
  if (name.find("://") != std::string_view::npos) return true;
  std::string lower = Lower(name);
  for (const std::string_view packed : {".gz", ".zst"}) {
    if (lower.ends_with(packed)) lower.resize(lower.size() - packed.size());
  }
  constexpr std::array kEndings = {".parquet", ".csv", ".tsv", ".json", ".jsonl", ".ndjson"};
  return std::ranges::any_of(kEndings, [&](const char* end) { return lower.ends_with(end); });
}

std::string CanonicalUrl(const std::string& url) {
  using Spelling = std::pair<std::string_view, std::string_view>;
  constexpr std::array<Spelling, 3> kOthers = {
      {{"s3a://", "s3://"}, {"s3n://", "s3://"}, {"gcs://", "gs://"}}};
  for (const auto& [other, canonical] : kOthers) {
    if (url.starts_with(other)) return std::string(canonical) + url.substr(other.size());
  }
  return url;
}

bool IsPathLike(std::string_view name) {
  constexpr std::array kBeginnings = {"/", "./", "../", "~/", "file:"};
  const std::string lower = Lower(name);
  return std::ranges::any_of(kBeginnings,
                             [&](const char* with) { return lower.starts_with(with); });
}

bool HasS3Parameters(std::string_view url) {
  const size_t question = url.find('?');
  if (question == std::string_view::npos) return false;
  const std::string once = Lower(PercentDecoded(url.substr(question + 1)));
  return NamesParameter(once) || NamesParameter(Lower(PercentDecoded(once)));
}

bool HasPossibleBucket(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return true;
  const std::string_view rest = url.substr(scheme + 3);
  const std::string_view bucket = rest.substr(0, rest.find('/'));
  constexpr size_t kMin = 3;
  constexpr size_t kMax = 63;
  if (bucket.size() < kMin || bucket.size() > kMax) return false;
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return alphanumeric(bucket.front()) && alphanumeric(bucket.back()) &&
         std::ranges::all_of(bucket,
                             [&](char c) { return alphanumeric(c) || c == '.' || c == '-'; });
}

void RefuseUnsafeUrl(const std::string& url) {
  if (HasS3Parameters(url)) {
    throw duckdb::PermissionException(
        "\"%s\": parameters in an S3 URL (?s3_...) are not allowed; the worker's own settings "
        "apply",
        url.substr(0, url.find('?')));
  }
  if (StepsOut(url)) {
    throw duckdb::PermissionException(
        "\"%s\": Cannot access file: \"..\" and \".\" are not allowed in a web address", url);
  }
}

}  // namespace eider::engine
