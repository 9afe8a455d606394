// Reads the fields of a decoded JSON object, one by one, and reports the first that is not right.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "protocol/value.h"

namespace eider::protocol {

// Usage: Fields fields(object, "ticket"); fields.Read("slots", &slots); ... return fields.Done();
// After the first error the rest is not read. Not thread-safe; `object` must outlive it.
class Fields {
 public:
  Fields(const Value& object, std::string what);

  // A field that must be there and of this type.
  void Read(std::string_view name, std::string* out);
  void Read(std::string_view name, int64_t* out);
  void Read(std::string_view name, int* out);
  void Read(std::string_view name, bool* out);
  void Read(std::string_view name, std::vector<std::string>* out);
  // The field itself, or nullptr (an error) when it is not there.
  const Value* Get(std::string_view name);
  // The field itself, or nullptr when it is not there or null.
  const Value* Find(std::string_view name);
  // Makes "<what>: <why>" the error, unless there is one.
  void Fail(const std::string& why);
  // Takes over another's error.
  void Check(const arrow::Status& status);

  // OK, or the first error: INVALID_QUERY. With `refuse_unknown`, a field that nobody asked for is
  // one.
  arrow::Status Done(bool refuse_unknown = false);

 private:
  const Value* Expect(std::string_view name, Value::Kind kind);

  const Value& object_;
  const std::string what_;
  std::unordered_set<std::string_view> asked_;
  arrow::Status status_;
};

}  // namespace eider::protocol
