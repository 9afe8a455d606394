// A JSON-like value with nothing lost: what a query's arguments and every message are made of.
//
// nlohmann's own document turns integers past 64 bits into doubles and keeps one of two equal keys;
// ParseJson() goes through its SAX interface instead, keeps a number's digits, and refuses
// duplicate keys and deep nesting.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace eider::protocol {

struct Value {
  enum class Kind { kNull, kBool, kInteger, kDouble, kString, kList, kStruct, kTyped };

  Kind kind = Kind::kNull;
  bool boolean = false;
  // kInteger, kDouble: the number as it was written. kString: the string.
  // kTyped: the name of the type ("TIMESTAMP"); its value is items[0].
  std::string text;
  // kList: the elements. kStruct: the fields' values, named by `names`. kTyped: the one value.
  std::vector<Value> items;
  std::vector<std::string> names;

  static Value Null() { return {}; }
  static Value Bool(bool value);
  static Value Integer(int64_t value);
  static Value String(std::string value);
  static Value List(std::vector<Value> items = {});
  static Value Struct(std::vector<std::pair<std::string, Value>> fields = {});

  // The field of a struct, or nullptr.
  const Value* Find(std::string_view name) const;
  // The integer, where it is one and fits.
  arrow::Result<int64_t> AsInt64() const;
  // Adds a field to a struct and returns this.
  Value& With(std::string name, Value value);

  bool operator==(const Value&) const = default;
};

// What a value is called in an error message: "a string", "an object".
std::string_view KindName(Value::Kind kind);

// Parses one JSON document; objects become kStruct, never kTyped.
// Errors: INVALID_QUERY for malformed JSON, duplicate keys (named) and nesting past 64.
arrow::Result<Value> ParseJson(std::string_view text);

// Compact JSON. kTyped becomes {"type": ..., "value": ...}. Bytes that are no UTF-8 are replaced.
std::string EncodeJson(const Value& value);

// Turns each object of exactly `type` (a string) and `value` inside `value` into kTyped, at any
// depth, but not inside of one.
Value ReadTypedValues(Value value);

}  // namespace eider::protocol
