#include "protocol/fields.h"

#include <limits>
#include <utility>

#include "base/error.h"

namespace eider::protocol {

using base::ErrorCode;
using base::MakeError;

namespace {

// What a client sent, as far as an error message repeats it.
std::string Shown(std::string_view text) {
  constexpr size_t kMostBytes = 64;
  if (text.size() <= kMostBytes) return std::string(text);
  return std::string(text.substr(0, kMostBytes)) + "...";
}

}  // namespace

Fields::Fields(const Value& object, std::string what) : object_(object), what_(std::move(what)) {
  if (object.kind != Value::Kind::kStruct) {
    Fail("expected a JSON object, not " + std::string(KindName(object.kind)));
  }
}

void Fields::Fail(const std::string& why) {
  if (status_.ok()) status_ = MakeError(ErrorCode::kInvalidQuery, what_ + ": " + why);
}

void Fields::Check(const arrow::Status& status) {
  if (status_.ok()) status_ = status;
}

const Value* Fields::Find(std::string_view name) {
  if (!status_.ok()) return nullptr;
  asked_.insert(name);
  const Value* value = object_.Find(name);
  return value != nullptr && value->kind == Value::Kind::kNull ? nullptr : value;
}

const Value* Fields::Get(std::string_view name) {
  const Value* value = Find(name);
  if (value == nullptr) Fail("the field `" + std::string(name) + "` is missing");
  return value;
}

const Value* Fields::Expect(std::string_view name, Value::Kind kind) {
  const Value* value = Get(name);
  if (value == nullptr || value->kind == kind) return value;
  Fail("the field `" + std::string(name) + "` must be " + std::string(KindName(kind)) + ", not " +
       std::string(KindName(value->kind)));
  return nullptr;
}

void Fields::Read(std::string_view name, std::string* out) {
  if (const Value* value = Expect(name, Value::Kind::kString)) *out = value->text;
}

void Fields::Read(std::string_view name, int64_t* out) {
  const Value* value = Expect(name, Value::Kind::kInteger);
  if (value == nullptr) return;
  if (auto number = value->AsInt64(); number.ok()) {
    *out = *number;
  } else {
    Fail("the field `" + std::string(name) + "` is " + Shown(value->text) + ", past 64 bits");
  }
}

void Fields::Read(std::string_view name, int* out) {
  int64_t wide = *out;
  Read(name, &wide);
  if (wide < std::numeric_limits<int>::min() || wide > std::numeric_limits<int>::max()) {
    Fail("the field `" + std::string(name) + "` is " + std::to_string(wide) + ", past 32 bits");
    return;
  }
  *out = static_cast<int>(wide);
}

void Fields::Read(std::string_view name, bool* out) {
  if (const Value* value = Expect(name, Value::Kind::kBool)) *out = value->boolean;
}

void Fields::Read(std::string_view name, std::vector<std::string>* out) {
  const Value* value = Expect(name, Value::Kind::kList);
  if (value == nullptr) return;
  for (const Value& item : value->items) {
    if (item.kind != Value::Kind::kString) {
      Fail("the field `" + std::string(name) + "` must be an array of strings, but holds " +
           std::string(KindName(item.kind)));
      return;
    }
    out->push_back(item.text);
  }
}

arrow::Status Fields::Done(bool refuse_unknown) {
  if (refuse_unknown && status_.ok()) {
    for (const std::string& name : object_.names) {
      if (!asked_.contains(name)) Fail("unknown field `" + Shown(name) + "`");
    }
  }
  return status_;
}

}  // namespace eider::protocol
