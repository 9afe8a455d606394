// One value of a result as text.
#pragma once

#include <arrow/array.h>
#include <arrow/type.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace eider::cmd {

// The SQL-like name of a type: "bigint", "varchar", "decimal(18,3)", "varchar[]".
std::string TypeName(const arrow::DataType& type);

// Whether columns of the type are aligned to the right.
bool IsNumeric(const arrow::DataType& type);

// As a person reads it: NULL, 1.5, abc, 2025-05-01 00:00:00, [1, 2], {'a': 1}. Bytes that are no
// text are written as \x00.
std::string CellText(const arrow::Array& array, int64_t row);

// As JSON: numbers keep their digits, what JSON has no form for is a string.
std::string CellJson(const arrow::Array& array, int64_t row);

// A JSON string with its quotes; bytes that are no UTF-8 become U+FFFD.
std::string JsonString(std::string_view text);

}  // namespace eider::cmd
