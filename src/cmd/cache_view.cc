#include "cmd/cache_view.h"

#include <utility>

#include "cmd/table.h"

namespace eider::cmd {

using protocol::Value;

namespace {

std::string Count(int64_t number, const std::string& noun) {
  return GroupDigits(number) + " " + noun + (number == 1 ? "" : "s");
}

std::string Line(const std::string& name, const std::string& text) {
  return name + std::string(12 - name.size(), ' ') + text + "\n";
}

}  // namespace

std::string ObjectsText(const std::vector<cache::CachedObject>& objects, int width) {
  Table table;
  table.columns = {{"url", "", false},
                   {"size", "", true},
                   {"etag", "", false},
                   {"pages", "", true},
                   {"bytes", "", true}};
  int64_t bytes = 0;
  for (const cache::CachedObject& object : objects) {
    table.rows.push_back({object.url, GroupDigits(object.version.size), object.version.etag,
                          GroupDigits(object.pages), GroupDigits(object.bytes)});
    bytes += object.bytes;
  }
  table.footer = Count(static_cast<int64_t>(objects.size()), "object") + ", " +
                 Count(bytes, "byte") + " of them here";
  return DrawTable(table, width);
}

Value ObjectsValue(const std::vector<cache::CachedObject>& objects) {
  std::vector<Value> items;
  for (const cache::CachedObject& object : objects) {
    items.push_back(
        Value::Struct({{"url", Value::String(object.url)},
                       {"size", Value::Integer(object.version.size)},
                       {"etag", Value::String(object.version.etag)},
                       {"last_modified_ms", Value::Integer(object.version.last_modified_ms)},
                       {"blocks", Value::Integer(object.blocks)},
                       {"pages", Value::Integer(object.pages)},
                       {"bytes", Value::Integer(object.bytes)}}));
  }
  return Value::Struct({{"objects", Value::List(std::move(items))}});
}

std::string StatsText(const cache::DirectoryStats& stats) {
  return Line("objects", GroupDigits(stats.urls) + " (" + Count(stats.versions, "version") + ")") +
         Line("blocks", GroupDigits(stats.blocks)) + Line("pages", GroupDigits(stats.pages)) +
         Line("used", Count(stats.used_bytes, "byte") + ", as --cache-size counts them") +
         Line("on disk", Count(stats.disk_bytes, "byte")) +
         Line("available", Count(stats.available_bytes, "byte") + " on the file system");
}

Value StatsValue(const cache::DirectoryStats& stats) {
  return Value::Struct({{"objects", Value::Integer(stats.urls)},
                        {"versions", Value::Integer(stats.versions)},
                        {"blocks", Value::Integer(stats.blocks)},
                        {"pages", Value::Integer(stats.pages)},
                        {"used_bytes", Value::Integer(stats.used_bytes)},
                        {"disk_bytes", Value::Integer(stats.disk_bytes)},
                        {"available_bytes", Value::Integer(stats.available_bytes)}});
}

std::string VerificationText(const cache::Verification& result) {
  std::string text;
  for (const std::string& finding : result.findings) text += finding + "\n";
  text += Count(result.pages, "page") + " in " + Count(result.blocks, "block") + ": " +
          GroupDigits(result.pages - result.bad_pages) + " good, " + GroupDigits(result.bad_pages) +
          " corrupt; " + Count(result.bad_records, "corrupt record") + "\n";
  if (result.changed_blocks > 0) {
    text += Count(result.changed_blocks, "block") + " changed meanwhile and were passed over\n";
  }
  if (!result.good()) {
    text += result.dropped ? "what is corrupt was dropped; it will be fetched anew\n"
                           : "nothing was dropped (" + result.not_dropped_why +
                                 "); a worker drops it itself when it reads it\n";
  }
  return text;
}

Value VerificationValue(const cache::Verification& result) {
  std::vector<Value> findings;
  for (const std::string& finding : result.findings) findings.push_back(Value::String(finding));
  return Value::Struct({{"blocks", Value::Integer(result.blocks)},
                        {"pages", Value::Integer(result.pages)},
                        {"bad_pages", Value::Integer(result.bad_pages)},
                        {"bad_records", Value::Integer(result.bad_records)},
                        {"changed_blocks", Value::Integer(result.changed_blocks)},
                        {"dropped", Value::Bool(result.dropped)},
                        {"findings", Value::List(std::move(findings))}});
}

}  // namespace eider::cmd
