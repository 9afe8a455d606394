#include "store/http_head.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>

namespace eider::store {
namespace {

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

}  // namespace

std::string_view HttpHead::Find(std::string_view name) const {
  for (const auto& [known, value] : fields) {
    if (known == name) return value;
  }
  return {};
}

void AddHeaderLine(std::string_view line, HttpHead& head) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return;
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  head.fields.emplace_back(std::move(name), std::string(Trim(line.substr(colon + 1))));
}

std::optional<int64_t> ParseByteCount(std::string_view value) {
  if (value.empty() || value.front() == '-') return std::nullopt;
  int64_t count = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
  if (error != std::errc() || end != value.data() + value.size()) return std::nullopt;
  return count;
}

std::optional<ContentRange> ParseContentRange(std::string_view value) {
  constexpr std::string_view kUnit = "bytes";
  if (!value.starts_with(kUnit)) return std::nullopt;
  value = Trim(value.substr(kUnit.size()));
  const size_t slash = value.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto size = ParseByteCount(value.substr(slash + 1));
  if (!size) return std::nullopt;
  const std::string_view range = value.substr(0, slash);
  if (range == "*") return ContentRange{.size = *size};
  const size_t dash = range.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = ParseByteCount(range.substr(0, dash));
  const auto last = ParseByteCount(range.substr(dash + 1));
  if (!first || !last || *first > *last || *last >= *size) return std::nullopt;
  return ContentRange{.first = *first, .last = *last, .size = *size};
}

int64_t ParseHttpDateMs(std::string_view value) {
  if (value.empty()) return 0;
  const time_t seconds = curl_getdate(std::string(value).c_str(), nullptr);
  return seconds <= 0 ? 0 : static_cast<int64_t>(seconds) * 1000;
}

std::optional<int64_t> ParseRetryAfterMs(std::string_view value, int64_t now_ms) {
  if (const auto seconds = ParseByteCount(value)) {
    return std::min(*seconds, std::numeric_limits<int64_t>::max() / 1000) * 1000;
  }
  const int64_t date_ms = ParseHttpDateMs(value);
  if (date_ms == 0) return std::nullopt;
  return std::max<int64_t>(0, date_ms - now_ms);
}

}  // namespace eider::store
