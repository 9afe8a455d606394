#include "engine/arguments.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "duckdb.hpp"
#include "duckdb/common/operator/cast_operators.hpp"
#include "duckdb/common/types/hugeint.hpp"
#include "duckdb/common/types/uhugeint.hpp"
#include "duckdb/parser/column_list.hpp"
#include "duckdb/parser/parser.hpp"
#include "engine/errors.h"

namespace eider::engine {
namespace {

using base::ErrorCode;
using base::MakeError;
using duckdb::LogicalType;
using duckdb::LogicalTypeId;
using protocol::Value;

arrow::Status Invalid(std::string message) {
  return MakeError(ErrorCode::kInvalidQuery, std::move(message));
}

std::string Counted(size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

arrow::Result<duckdb::Value> Integer(const std::string& text) {
  int64_t small = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, small);
  if (error == std::errc() && stop == end) {
    if (small >= INT32_MIN && small <= INT32_MAX) {
      return duckdb::Value::INTEGER(static_cast<int32_t>(small));
    }
    return duckdb::Value::BIGINT(small);
  }
  for (const LogicalTypeId type : {LogicalTypeId::HUGEINT, LogicalTypeId::UHUGEINT}) {
    duckdb::Value wide;
    std::string why;
    if (duckdb::Value(text).DefaultTryCastAs(type, wide, &why, true)) return wide;
  }
  return Invalid("the integer " + text + " is beyond 128 bits");
}

arrow::Result<duckdb::Value> Double(const std::string& text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  // Too small a number is out of range too, and is zero.
  const bool tiny =
      error == std::errc::result_out_of_range && std::abs(std::strtod(text.c_str(), nullptr)) < 1;
  if (stop != end || (error != std::errc() && !tiny)) {
    return Invalid("the number " + text + " is beyond a double");
  }
  return duckdb::Value::DOUBLE(tiny ? std::strtod(text.c_str(), nullptr) : number);
}

// The type that holds values of both; nullopt when there is none without turning one kind of value
// into another.
std::optional<LogicalType> Unify(const LogicalType& a, const LogicalType& b) {
  if (a == b || b.id() == LogicalTypeId::SQLNULL) return a;
  if (a.id() == LogicalTypeId::SQLNULL) return b;
  if (a.IsNumeric() && b.IsNumeric()) {
    LogicalType both;
    if (!LogicalType::TryGetMaxLogicalTypeUnchecked(a, b, both)) return std::nullopt;
    return both;
  }
  if (a.id() != b.id()) return std::nullopt;
  if (a.id() == LogicalTypeId::LIST) {
    const auto child = Unify(duckdb::ListType::GetChildType(a), duckdb::ListType::GetChildType(b));
    if (!child) return std::nullopt;
    return LogicalType::LIST(*child);
  }
  if (a.id() == LogicalTypeId::STRUCT) {
    const auto& left = duckdb::StructType::GetChildTypes(a);
    const auto& right = duckdb::StructType::GetChildTypes(b);
    if (left.size() != right.size()) return std::nullopt;
    duckdb::child_list_t<LogicalType> fields;
    for (size_t i = 0; i < left.size(); ++i) {
      if (left[i].first != right[i].first) return std::nullopt;
      const auto field = Unify(left[i].second, right[i].second);
      if (!field) return std::nullopt;
      fields.emplace_back(left[i].first, *field);
    }
    return LogicalType::STRUCT(fields);
  }
  return std::nullopt;
}

class Converter {
 public:
  explicit Converter(duckdb::ClientContext& context) : context_(context) {}

  arrow::Result<duckdb::Value> Convert(const Value& value) {
    switch (value.kind) {
      case Value::Kind::kNull:
        return duckdb::Value();
      case Value::Kind::kBool:
        return duckdb::Value::BOOLEAN(value.boolean);
      case Value::Kind::kInteger:
        return Integer(value.text);
      case Value::Kind::kDouble:
        return Double(value.text);
      case Value::Kind::kString:
        return duckdb::Value(value.text);
      case Value::Kind::kList:
        return List(value);
      case Value::Kind::kStruct:
        return Struct(value);
      case Value::Kind::kTyped:
        return Typed(value);
    }
    return Invalid("a value of an unknown kind");
  }

 private:
  arrow::Result<duckdb::Value> List(const Value& value) {
    duckdb::vector<duckdb::Value> items;
    LogicalType type = LogicalType::SQLNULL;
    for (const Value& item : value.items) {
      ARROW_ASSIGN_OR_RAISE(duckdb::Value converted, Convert(item));
      const auto both = Unify(type, converted.type());
      if (!both) {
        return Invalid("a list of " + type.ToString() + " and " + converted.type().ToString() +
                       " has no common type");
      }
      type = *both;
      items.push_back(std::move(converted));
    }
    for (duckdb::Value& item : items) item = item.DefaultCastAs(type);
    return duckdb::Value::LIST(type, std::move(items));
  }

  arrow::Result<duckdb::Value> Struct(const Value& value) {
    if (value.items.empty()) return Invalid("an object without fields has no value in DuckDB");
    duckdb::child_list_t<duckdb::Value> fields;
    duckdb::case_insensitive_set_t names;
    for (size_t i = 0; i < value.items.size(); ++i) {
      if (!names.insert(value.names[i]).second) {
        return Invalid("the field \"" + value.names[i] +
                       "\" is there twice (DuckDB's names have "
                       "no case)");
      }
      ARROW_ASSIGN_OR_RAISE(duckdb::Value field, Convert(value.items[i]));
      fields.emplace_back(value.names[i], std::move(field));
    }
    return duckdb::Value::STRUCT(std::move(fields));
  }

  arrow::Result<duckdb::Value> Typed(const Value& value) {
    LogicalType type;
    try {
      // The name is parsed as a column's; what could follow it must not be there.
      const auto columns = duckdb::Parser::ParseColumnList("value " + value.text);
      if (columns.LogicalColumnCount() != 1) return Invalid("\"" + value.text + "\" is no type");
      type = context_.ParseLogicalType(value.text);
    } catch (const std::exception& exception) {
      return Invalid("\"" + value.text +
                     "\" is no type: " + duckdb::ErrorData(exception).RawMessage());
    }
    ARROW_ASSIGN_OR_RAISE(duckdb::Value inner, Convert(value.items.at(0)));
    duckdb::Value out;
    std::string why;
    bool cast = false;
    // Casts to types with a time zone need one, which needs a transaction.
    context_.RunFunctionInTransaction(
        [&] { cast = inner.TryCastAs(context_, type, out, &why, false); });
    if (!cast) return Invalid("no " + value.text + ": " + why);
    return out;
  }

  duckdb::ClientContext& context_;
};

arrow::Status CheckCount(const protocol::Arguments& arguments,
                         const duckdb::case_insensitive_map_t<duckdb::idx_t>& parameters) {
  const bool named = !arguments.named.empty();
  const size_t given = named ? arguments.named.size() : arguments.positional.size();
  for (const auto& [name, value] : arguments.named) {
    if (!parameters.contains(name)) {
      return Invalid("the statement has no parameter $" + name + " among its " +
                     Counted(parameters.size(), "parameter") + "; " + Counted(given, "argument") +
                     (given == 1 ? " was" : " were") + " given");
    }
  }
  if (given != parameters.size()) {
    return Invalid("the statement has " + Counted(parameters.size(), "parameter") + ", but " +
                   Counted(given, "argument") + (given == 1 ? " was" : " were") + " given");
  }
  for (size_t i = 1; !named && i <= given; ++i) {
    if (!parameters.contains(std::to_string(i))) {
      return Invalid("the statement has named parameters: give args as an object, not a list (" +
                     Counted(parameters.size(), "parameter") + ", " + Counted(given, "argument") +
                     ")");
    }
  }
  return arrow::Status::OK();
}

arrow::Status Bind(Converter* converter, const std::string& name, const Value& value,
                   BoundArguments* bound) {
  try {
    arrow::Result<duckdb::Value> converted = converter->Convert(value);
    if (!converted.ok()) {
      return Invalid("argument " + name + ": " + base::ErrorOf(converted.status()).message);
    }
    if (!bound->emplace(name, duckdb::BoundParameterData(std::move(*converted))).second) {
      return Invalid("argument " + name + " is there twice (DuckDB's names have no case)");
    }
  } catch (const std::exception& exception) {
    return Invalid("argument " + name + ": " + duckdb::ErrorData(exception).RawMessage());
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<BoundArguments> BindArguments(
    duckdb::ClientContext& context, const protocol::Arguments& arguments,
    const duckdb::case_insensitive_map_t<duckdb::idx_t>& parameters) {
  ARROW_RETURN_NOT_OK(CheckCount(arguments, parameters));
  Converter converter(context);
  BoundArguments bound;
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    ARROW_RETURN_NOT_OK(Bind(&converter, std::to_string(i + 1), arguments.positional[i], &bound));
  }
  for (const auto& [name, value] : arguments.named) {
    ARROW_RETURN_NOT_OK(Bind(&converter, name, value, &bound));
  }
  return bound;
}

}  // namespace eider::engine
