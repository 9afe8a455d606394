#include "cmd/cell.h"

#include <arrow/extension_type.h>
#include <arrow/scalar.h>
#include <arrow/util/checked_cast.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "protocol/value.h"

namespace eider::cmd {
namespace {

using arrow::internal::checked_cast;

std::shared_ptr<arrow::Array> ListElements(const arrow::Array& array, int64_t row) {
  switch (array.type_id()) {
    case arrow::Type::LIST:
    case arrow::Type::MAP:
      return checked_cast<const arrow::ListArray&>(array).value_slice(row);
    case arrow::Type::LARGE_LIST:
      return checked_cast<const arrow::LargeListArray&>(array).value_slice(row);
    case arrow::Type::FIXED_SIZE_LIST:
      return checked_cast<const arrow::FixedSizeListArray&>(array).value_slice(row);
    default:
      return nullptr;
  }
}

std::string_view Bytes(const arrow::Array& array, int64_t row) {
  switch (array.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return checked_cast<const arrow::BinaryArray&>(array).GetView(row);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return checked_cast<const arrow::LargeBinaryArray&>(array).GetView(row);
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      return checked_cast<const arrow::BinaryViewArray&>(array).GetView(row);
    case arrow::Type::FIXED_SIZE_BINARY:
      return checked_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(row);
    default:
      return {};
  }
}

bool IsText(const arrow::DataType& type) {
  return type.id() == arrow::Type::STRING || type.id() == arrow::Type::LARGE_STRING ||
         type.id() == arrow::Type::STRING_VIEW;
}

bool IsBytes(const arrow::DataType& type) {
  return type.id() == arrow::Type::BINARY || type.id() == arrow::Type::LARGE_BINARY ||
         type.id() == arrow::Type::BINARY_VIEW || type.id() == arrow::Type::FIXED_SIZE_BINARY;
}

// Every byte outside printable ASCII as \x00, as DuckDB prints a BLOB.
std::string BlobText(std::string_view bytes) {
  std::string out;
  for (const unsigned char c : bytes) {
    if (c >= ' ' && c < 127 && c != '\\') {
      out += static_cast<char>(c);
    } else {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\x%02X", c);
      out += escape;
    }
  }
  return out;
}

std::string DoubleText(double value) {
  char text[40];
  for (const int digits : {15, 16, 17}) {
    std::snprintf(text, sizeof(text), "%.*g", digits, value);
    if (std::strtod(text, nullptr) == value) break;
  }
  const std::string out = text;
  const bool looks_whole = out.find_first_of(".en") == std::string::npos;
  return looks_whole ? out + ".0" : out;
}

std::string FloatText(float value) {
  char text[40];
  for (const int digits : {6, 7, 8, 9}) {
    std::snprintf(text, sizeof(text), "%.*g", digits, static_cast<double>(value));
    if (std::strtof(text, nullptr) == value) break;
  }
  const std::string out = text;
  return out.find_first_of(".en") == std::string::npos ? out + ".0" : out;
}

// "2025-05-01 00:00:00.500000" without the zeros that say nothing.
std::string TrimFraction(std::string text) {
  const size_t point = text.find('.');
  if (point == std::string::npos) return text;
  const size_t end = text.find_first_not_of("0123456789", point + 1);
  const std::string zone = end == std::string::npos ? "" : text.substr(end);
  text.resize(end == std::string::npos ? text.size() : end);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text + zone;
}

std::string IntervalText(const arrow::Array& array, int64_t row) {
  const auto value = checked_cast<const arrow::MonthDayNanoIntervalArray&>(array).GetValue(row);
  std::string out;
  const auto add = [&](int64_t amount, const char* unit) {
    if (amount == 0) return;
    out += (out.empty() ? "" : " ") + std::to_string(amount) + " " + unit +
           (amount == 1 || amount == -1 ? "" : "s");
  };
  add(value.months / 12, "year");
  add(value.months % 12, "month");
  add(value.days, "day");
  if (value.nanoseconds != 0 || out.empty()) {
    const int64_t us = std::llabs(value.nanoseconds) / 1000;
    char time[48];
    std::snprintf(
        time, sizeof(time), "%s%02lld:%02lld:%02lld.%06lld", value.nanoseconds < 0 ? "-" : "",
        static_cast<long long>(us / 3'600'000'000), static_cast<long long>(us / 60'000'000 % 60),
        static_cast<long long>(us / 1'000'000 % 60), static_cast<long long>(us % 1'000'000));
    out += (out.empty() ? "" : " ") + TrimFraction(time);
  }
  return out;
}

std::string ScalarText(const arrow::Array& array, int64_t row) {
  const auto scalar = array.GetScalar(row);
  if (!scalar.ok()) return "?";
  const std::string text = (*scalar)->ToString();
  return arrow::is_temporal(array.type_id()) ? TrimFraction(text) : text;
}

// What stands for a value that is one of several: the member of a union, the storage of an
// extension, the entry of a dictionary. nullptr for others.
std::shared_ptr<arrow::Array> Inner(const arrow::Array& array, int64_t row, int64_t* inner_row) {
  *inner_row = row;
  switch (array.type_id()) {
    case arrow::Type::EXTENSION:
      return checked_cast<const arrow::ExtensionArray&>(array).storage();
    case arrow::Type::DICTIONARY: {
      const auto& dictionary = checked_cast<const arrow::DictionaryArray&>(array);
      *inner_row = dictionary.GetValueIndex(row);
      return dictionary.dictionary();
    }
    case arrow::Type::SPARSE_UNION:
      return checked_cast<const arrow::UnionArray&>(array).field(
          checked_cast<const arrow::UnionArray&>(array).child_id(row));
    case arrow::Type::DENSE_UNION: {
      const auto& dense = checked_cast<const arrow::DenseUnionArray&>(array);
      *inner_row = dense.value_offset(row);
      return dense.field(dense.child_id(row));
    }
    default:
      return nullptr;
  }
}

// Inside a list or struct, where a text needs its quotes.
std::string NestedText(const arrow::Array& array, int64_t row) {
  const std::string text = CellText(array, row);
  return IsText(*array.type()) && array.IsValid(row) ? "'" + text + "'" : text;
}

}  // namespace

bool IsNumeric(const arrow::DataType& type) {
  return arrow::is_integer(type.id()) || arrow::is_floating(type.id()) ||
         arrow::is_decimal(type.id());
}

std::string TypeName(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return "boolean";
    case arrow::Type::INT8:
      return "tinyint";
    case arrow::Type::INT16:
      return "smallint";
    case arrow::Type::INT32:
      return "integer";
    case arrow::Type::INT64:
      return "bigint";
    case arrow::Type::UINT8:
      return "utinyint";
    case arrow::Type::UINT16:
      return "usmallint";
    case arrow::Type::UINT32:
      return "uinteger";
    case arrow::Type::UINT64:
      return "ubigint";
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return "varchar";
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::FIXED_SIZE_BINARY:
      return "blob";
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
      return "date";
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
      return "time";
    case arrow::Type::TIMESTAMP:
      return checked_cast<const arrow::TimestampType&>(type).timezone().empty()
                 ? "timestamp"
                 : "timestamp with time zone";
    case arrow::Type::INTERVAL_MONTH_DAY_NANO:
      return "interval";
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256: {
      const auto& decimal = checked_cast<const arrow::DecimalType&>(type);
      return "decimal(" + std::to_string(decimal.precision()) + "," +
             std::to_string(decimal.scale()) + ")";
    }
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
      return TypeName(*type.field(0)->type()) + "[]";
    case arrow::Type::STRUCT:
      return "struct";
    case arrow::Type::MAP:
      return "map";
    case arrow::Type::SPARSE_UNION:
    case arrow::Type::DENSE_UNION:
      return "union";
    case arrow::Type::DICTIONARY:
      return TypeName(*checked_cast<const arrow::DictionaryType&>(type).value_type());
    case arrow::Type::EXTENSION: {
      const std::string name = checked_cast<const arrow::ExtensionType&>(type).extension_name();
      return name.substr(name.rfind('.') + 1);
    }
    default:
      return type.ToString();
  }
}

std::string CellText(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return "NULL";
  int64_t inner_row = row;
  if (const auto inner = Inner(array, row, &inner_row)) return CellText(*inner, inner_row);
  if (IsText(*array.type())) return std::string(Bytes(array, row));
  if (IsBytes(*array.type())) return BlobText(Bytes(array, row));
  switch (array.type_id()) {
    case arrow::Type::DOUBLE:
      return DoubleText(checked_cast<const arrow::DoubleArray&>(array).Value(row));
    case arrow::Type::FLOAT:
      return FloatText(checked_cast<const arrow::FloatArray&>(array).Value(row));
    case arrow::Type::INTERVAL_MONTH_DAY_NANO:
      return IntervalText(array, row);
    case arrow::Type::STRUCT: {
      const auto& fields = checked_cast<const arrow::StructArray&>(array);
      std::string out = "{";
      for (int i = 0; i < fields.num_fields(); ++i) {
        out += (i == 0 ? "'" : ", '") + array.type()->field(i)->name() +
               "': " + NestedText(*fields.field(i), row);
      }
      return out + "}";
    }
    default:
      break;
  }
  const auto elements = ListElements(array, row);
  if (elements == nullptr) return ScalarText(array, row);
  const bool is_map = array.type_id() == arrow::Type::MAP;
  std::string out = is_map ? "{" : "[";
  for (int64_t i = 0; i < elements->length(); ++i) {
    if (i > 0) out += ", ";
    if (is_map) {
      const auto& entries = checked_cast<const arrow::StructArray&>(*elements);
      out += NestedText(*entries.field(0), i) + "=" + NestedText(*entries.field(1), i);
    } else {
      out += NestedText(*elements, i);
    }
  }
  return out + (is_map ? "}" : "]");
}

std::string JsonString(std::string_view text) {
  return protocol::EncodeJson(protocol::Value::String(std::string(text)));
}

std::string CellJson(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return "null";
  int64_t inner_row = row;
  if (const auto inner = Inner(array, row, &inner_row)) return CellJson(*inner, inner_row);
  if (array.type_id() == arrow::Type::BOOL) return CellText(array, row);
  if (IsNumeric(*array.type())) {
    std::string text = CellText(array, row);
    return text.find_first_of("in") == std::string::npos ? text : JsonString(text);  // inf, nan
  }
  if (array.type_id() == arrow::Type::STRUCT) {
    const auto& fields = checked_cast<const arrow::StructArray&>(array);
    std::string out = "{";
    for (int i = 0; i < fields.num_fields(); ++i) {
      out += (i == 0 ? "" : ",") + JsonString(array.type()->field(i)->name()) + ":" +
             CellJson(*fields.field(i), row);
    }
    return out + "}";
  }
  const auto elements = ListElements(array, row);
  if (elements == nullptr) return JsonString(CellText(array, row));
  const bool is_map = array.type_id() == arrow::Type::MAP;
  std::string out = is_map ? "{" : "[";
  for (int64_t i = 0; i < elements->length(); ++i) {
    if (i > 0) out += ",";
    if (is_map) {
      const auto& entries = checked_cast<const arrow::StructArray&>(*elements);
      out += JsonString(CellText(*entries.field(0), i)) + ":" + CellJson(*entries.field(1), i);
    } else {
      out += CellJson(*elements, i);
    }
  }
  return out + (is_map ? "}" : "]");
}

}  // namespace eider::cmd
