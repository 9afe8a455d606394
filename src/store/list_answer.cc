#include "store/list_answer.h"

#include <charconv>
#include <chrono>
#include <string>
#include <utility>

#include "store/http_head.h"
#include "store/percent.h"
#include "store/s3_request.h"
#include "store/xml.h"

namespace eider::store {
namespace {

arrow::Result<std::string> Name(std::string_view text, bool encoded) {
  if (!encoded) return std::string(text);
  auto decoded = DecodeListed(text);
  if (!decoded) return arrow::Status::Invalid("`", text, "` is not percent-encoded");
  return *std::move(decoded);
}

// Some servers leave the quotes out here, though not in the header.
std::string ETag(std::string_view text) {
  if (text.empty() || text.ends_with('"')) return std::string(text);
  return "\"" + std::string(text) + "\"";
}

arrow::Result<ListPage::Entry> ParseEntry(const XmlElement& element, bool encoded) {
  ListPage::Entry entry;
  const XmlElement* key = element.Find("Key");
  if (key == nullptr) return arrow::Status::Invalid("an entry without Key");
  ARROW_ASSIGN_OR_RAISE(entry.key, Name(key->text, encoded));
  const auto size = ParseByteCount(element.TextOf("Size"));
  if (!size) return arrow::Status::Invalid("the entry of `", entry.key, "` has no Size");
  entry.version.size = *size;
  entry.version.last_modified_ms = ParseListTimeMs(element.TextOf("LastModified"));
  entry.version.etag = ETag(element.TextOf("ETag"));
  if (entry.version.etag.empty()) {
    entry.version.etag = TagOfTime(entry.version.last_modified_ms, *size);
  }
  return entry;
}

// `count` digits of `text` at `at`; false where they are not.
bool Digits(std::string_view text, size_t at, size_t count, int& value) {
  if (text.size() < at + count) return false;
  const char* begin = text.data() + at;
  const auto [end, error] = std::from_chars(begin, begin + count, value);
  return error == std::errc() && end == begin + count && value >= 0;
}

}  // namespace

int64_t ParseListTimeMs(std::string_view text) {
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (!Digits(text, 0, 4, year) || !Digits(text, 5, 2, month) || !Digits(text, 8, 2, day) ||
      !Digits(text, 11, 2, hour) || !Digits(text, 14, 2, minute) || !Digits(text, 17, 2, second) ||
      !text.ends_with('Z')) {
    return 0;
  }
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return 0;
  const auto time = std::chrono::sys_days(date) + std::chrono::hours(hour) +
                    std::chrono::minutes(minute) + std::chrono::seconds(second);
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

arrow::Result<ListPage> ParseListAnswer(std::string_view xml) {
  ARROW_ASSIGN_OR_RAISE(const XmlElement root, ParseXml(xml));
  if (root.name != "ListBucketResult") {
    return arrow::Status::Invalid("`", root.name, "` is no list of a bucket");
  }
  const bool encoded = root.TextOf("EncodingType") == "url";
  ListPage page;
  for (const XmlElement& child : root.children) {
    if (child.name == "Contents") {
      ARROW_ASSIGN_OR_RAISE(auto entry, ParseEntry(child, encoded));
      page.entries.push_back(std::move(entry));
    } else if (child.name == "CommonPrefixes") {
      const XmlElement* prefix = child.Find("Prefix");
      if (prefix == nullptr) return arrow::Status::Invalid("CommonPrefixes without Prefix");
      ARROW_ASSIGN_OR_RAISE(auto name, Name(prefix->text, encoded));
      page.prefixes.push_back(std::move(name));
    }
  }
  page.continuation = root.TextOf("NextContinuationToken");
  const std::string_view truncated = root.TextOf("IsTruncated");
  if (truncated != "true") page.continuation.clear();
  if (truncated == "true" && page.continuation.empty()) {
    return arrow::Status::Invalid("it is cut short, and does not say where to go on");
  }
  return page;
}

}  // namespace eider::store
