#include "protocol/value.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/error.h"

namespace eider::protocol {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr size_t kMaxNesting = 64;

// Builds a Value from SAX events. Keeps the digits of every number: nlohmann hands over the token
// only for floats, so integers that fit are printed back (which is what was written, but for "-0").
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return Add(Value::Null()); }
  bool boolean(bool value) override { return Add(Value::Bool(value)); }
  bool number_integer(number_integer_t value) override { return Add(Value::Integer(value)); }
  bool number_unsigned(number_unsigned_t value) override {
    return Add(Number(Value::Kind::kInteger, std::to_string(value)));
  }
  bool number_float(number_float_t, const string_t& token) override {
    const bool integer = token.find_first_of(".eE") == string_t::npos;
    return Add(Number(integer ? Value::Kind::kInteger : Value::Kind::kDouble, token));
  }
  bool string(string_t& value) override { return Add(Value::String(std::move(value))); }
  bool binary(binary_t&) override { return Fail("binary data"); }
  bool start_object(std::size_t) override { return Open(Value::Struct()); }
  bool start_array(std::size_t) override { return Open(Value::List()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(string_t& name) override {
    if (!keys_.back().insert(name).second) return Fail("the key \"" + name + "\" is there twice");
    open_.back().names.push_back(std::move(name));
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& exception) override {
    constexpr int kNumberOverflow = 406;
    if (exception.id == kNumberOverflow) {
      return Fail("the number that ends at byte " + std::to_string(position) +
                  " is beyond a double: give it as a typed value");
    }
    return Fail("not JSON near byte " + std::to_string(position));
  }

  const std::string& error() const { return error_; }
  Value TakeRoot() { return std::move(root_); }

 private:
  static Value Number(Value::Kind kind, std::string text) {
    Value value;
    value.kind = kind;
    value.text = std::move(text);
    return value;
  }
  bool Fail(std::string why) {
    if (error_.empty()) error_ = std::move(why);
    return false;
  }
  bool Open(Value container) {
    if (open_.size() >= kMaxNesting) {
      return Fail("nested deeper than " + std::to_string(kMaxNesting) + " levels");
    }
    open_.push_back(std::move(container));
    keys_.emplace_back();
    return true;
  }
  bool Close() {
    Value done = std::move(open_.back());
    open_.pop_back();
    keys_.pop_back();
    return Add(std::move(done));
  }
  bool Add(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }

  Value root_;
  std::vector<Value> open_;
  std::vector<std::unordered_set<std::string>> keys_;
  std::string error_;
};

void AppendString(const std::string& text, std::string* out) {
  *out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void Append(const Value& value, std::string* out) {
  switch (value.kind) {
    case Value::Kind::kNull:
      *out += "null";
      return;
    case Value::Kind::kBool:
      *out += value.boolean ? "true" : "false";
      return;
    case Value::Kind::kInteger:
    case Value::Kind::kDouble:
      *out += value.text;
      return;
    case Value::Kind::kString:
      AppendString(value.text, out);
      return;
    case Value::Kind::kList:
      *out += '[';
      for (size_t i = 0; i < value.items.size(); ++i) {
        if (i > 0) *out += ',';
        Append(value.items[i], out);
      }
      *out += ']';
      return;
    case Value::Kind::kStruct:
      *out += '{';
      for (size_t i = 0; i < value.items.size(); ++i) {
        if (i > 0) *out += ',';
        AppendString(value.names[i], out);
        *out += ':';
        Append(value.items[i], out);
      }
      *out += '}';
      return;
    case Value::Kind::kTyped:
      *out += "{\"type\":";
      AppendString(value.text, out);
      *out += ",\"value\":";
      Append(value.items[0], out);
      *out += '}';
      return;
  }
}

}  // namespace

Value Value::Bool(bool value) {
  Value out;
  out.kind = Kind::kBool;
  out.boolean = value;
  return out;
}

Value Value::Integer(int64_t value) {
  Value out;
  out.kind = Kind::kInteger;
  out.text = std::to_string(value);
  return out;
}

Value Value::String(std::string value) {
  Value out;
  out.kind = Kind::kString;
  out.text = std::move(value);
  return out;
}

Value Value::List(std::vector<Value> items) {
  Value out;
  out.kind = Kind::kList;
  out.items = std::move(items);
  return out;
}

Value Value::Struct(std::vector<std::pair<std::string, Value>> fields) {
  Value out;
  out.kind = Kind::kStruct;
  for (auto& [name, value] : fields) out.With(std::move(name), std::move(value));
  return out;
}

const Value* Value::Find(std::string_view name) const {
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return &items[i];
  }
  return nullptr;
}

arrow::Result<int64_t> Value::AsInt64() const {
  int64_t out = 0;
  const char* end = text.data() + text.size();
  if (kind == Kind::kInteger) {
    const auto [at, error] = std::from_chars(text.data(), end, out);
    if (error == std::errc() && at == end) return out;
  }
  return MakeError(ErrorCode::kInvalidQuery,
                   "expected a 64-bit integer, not " + std::string(KindName(kind)));
}

Value& Value::With(std::string name, Value value) {
  names.push_back(std::move(name));
  items.push_back(std::move(value));
  return *this;
}

std::string_view KindName(Value::Kind kind) {
  switch (kind) {
    case Value::Kind::kNull:
      return "null";
    case Value::Kind::kBool:
      return "a boolean";
    case Value::Kind::kInteger:
      return "an integer";
    case Value::Kind::kDouble:
      return "a number";
    case Value::Kind::kString:
      return "a string";
    case Value::Kind::kList:
      return "an array";
    case Value::Kind::kStruct:
    case Value::Kind::kTyped:
      return "an object";
  }
  return "nothing";
}

arrow::Result<Value> ParseJson(std::string_view text) {
  Builder builder;
  if (!nlohmann::json::sax_parse(text, &builder)) {
    return MakeError(ErrorCode::kInvalidQuery, "JSON: " + builder.error());
  }
  return builder.TakeRoot();
}

std::string EncodeJson(const Value& value) {
  std::string out;
  Append(value, &out);
  return out;
}

Value ReadTypedValues(Value value) {
  const bool two = value.kind == Value::Kind::kStruct && value.items.size() == 2;
  const Value* type = two ? value.Find("type") : nullptr;
  const Value* inner = two ? value.Find("value") : nullptr;
  if (type == nullptr || inner == nullptr || type->kind != Value::Kind::kString) {
    for (Value& item : value.items) item = ReadTypedValues(std::move(item));
    return value;
  }
  // What it holds is as its type says: a struct of those two fields is one there.
  Value typed;
  typed.kind = Value::Kind::kTyped;
  typed.text = type->text;
  typed.items.push_back(*inner);
  return typed;
}

}  // namespace eider::protocol
