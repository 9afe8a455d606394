// The head of an HTTP answer, and the fields of it that a read goes by.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace eider::store {

struct HttpHead {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> fields;  // names in lower case, values trimmed

  // The value of the first field of that (lower-case) name; empty where there is none.
  std::string_view Find(std::string_view name) const;
};

// Takes "Name: value" into `head`; lines that are none are passed over.
void AddHeaderLine(std::string_view line, HttpHead& head);

// `bytes first-last/size`, or `bytes */size` of a 416: then first and last are -1.
struct ContentRange {
  int64_t first = -1;
  int64_t last = -1;
  int64_t size = 0;
  bool operator==(const ContentRange&) const = default;
};
// Nothing where it is malformed, contradicts itself or leaves the size out.
std::optional<ContentRange> ParseContentRange(std::string_view value);

// A whole number of bytes, and nothing else.
std::optional<int64_t> ParseByteCount(std::string_view value);

// An HTTP date in milliseconds since 1970; 0 where it is none.
int64_t ParseHttpDateMs(std::string_view value);

// Retry-After, in seconds or as a date, as milliseconds from `now_ms` (since 1970); at least 0.
std::optional<int64_t> ParseRetryAfterMs(std::string_view value, int64_t now_ms);

}  // namespace eider::store
