#include "protocol/query.h"

#include <array>
#include <utility>

#include "base/error.h"
#include "protocol/fields.h"

namespace eider::protocol {
namespace {

constexpr std::array<std::pair<CacheMode, std::string_view>, 4> kModes = {
    {{CacheMode::kUse, "use"},
     {CacheMode::kPassive, "passive"},
     {CacheMode::kOff, "off"},
     {CacheMode::kRefresh, "refresh"}}};

constexpr int kMaxPriority = 10;
constexpr int64_t kMaxTimeoutMs = int64_t{30} * 24 * 3'600'000;

}  // namespace

std::string_view CacheModeName(CacheMode mode) {
  for (const auto& [value, name] : kModes) {
    if (value == mode) return name;
  }
  return "use";
}

arrow::Result<CacheMode> ParseCacheMode(std::string_view name) {
  for (const auto& [value, known] : kModes) {
    if (known == name) return value;
  }
  return base::MakeError(base::ErrorCode::kInvalidQuery, "the cache mode is `" + std::string(name) +
                                                             "`, not use, passive, off or refresh");
}

Value EncodeArguments(const Arguments& arguments) {
  if (!arguments.named.empty()) return Value::Struct(arguments.named);
  return Value::List(arguments.positional);
}

arrow::Result<Arguments> DecodeArguments(const Value& value) {
  Arguments arguments;
  switch (value.kind) {
    case Value::Kind::kNull:
      break;
    case Value::Kind::kList:
      for (const Value& item : value.items) {
        arguments.positional.push_back(ReadTypedValues(item));
      }
      break;
    case Value::Kind::kStruct:
      // The object itself is the list of names, also where they happen to be `type` and `value`.
      for (size_t i = 0; i < value.items.size(); ++i) {
        arguments.named.emplace_back(value.names[i], ReadTypedValues(value.items[i]));
      }
      break;
    default:
      return base::MakeError(base::ErrorCode::kInvalidQuery,
                             "request: the field `args` must be an array (for ? and $1) or an "
                             "object (for $name), not " +
                                 std::string(KindName(value.kind)));
  }
  return arguments;
}

arrow::Result<Query> DecodeQuery(std::string_view json, bool write) {
  ARROW_ASSIGN_OR_RAISE(const Value body, ParseJson(json));
  Query query;
  query.write = write;
  Fields fields(body, "request");
  fields.Read("query", &query.sql);
  if (fields.Find("buckets") != nullptr) fields.Read("buckets", &query.files);
  if (fields.Find("timeout_ms") != nullptr) fields.Read("timeout_ms", &query.timeout_ms);
  if (fields.Find("priority") != nullptr) fields.Read("priority", &query.priority);
  if (fields.Find("trace_id") != nullptr) fields.Read("trace_id", &query.trace_id);
  if (fields.Find("cache") != nullptr) {
    std::string mode;
    fields.Read("cache", &mode);
    if (auto parsed = ParseCacheMode(mode); parsed.ok()) {
      query.cache_mode = *parsed;
    } else {
      fields.Check(parsed.status());
    }
  }
  if (const Value* args = fields.Find("args")) {
    auto decoded = DecodeArguments(*args);
    if (decoded.ok()) {
      query.arguments = std::move(*decoded);
    } else {
      fields.Check(decoded.status());
    }
  }
  if (query.timeout_ms < 0 || query.timeout_ms > kMaxTimeoutMs) {
    fields.Fail("the field `timeout_ms` must be from 0 (the default) to " +
                std::to_string(kMaxTimeoutMs) + " (30 days), not " +
                std::to_string(query.timeout_ms));
  }
  if (query.priority < -kMaxPriority || query.priority > kMaxPriority) {
    fields.Fail("the field `priority` must be from -10 to 10, not " +
                std::to_string(query.priority));
  }
  ARROW_RETURN_NOT_OK(fields.Done(/*refuse_unknown=*/true));
  return query;
}

}  // namespace eider::protocol
