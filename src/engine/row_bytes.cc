#include "engine/row_bytes.h"

#include "duckdb.hpp"
#include "duckdb/common/types/vector.hpp"

namespace eider::engine {
namespace {

using duckdb::idx_t;
using duckdb::LogicalType;
using duckdb::PhysicalType;

// An offset or a length beside the data.
constexpr int64_t kOffsetBytes = 4;

bool IsFixed(const LogicalType& type) { return duckdb::TypeIsConstantSize(type.InternalType()); }

int64_t FixedBytes(const LogicalType& type) {
  return static_cast<int64_t>(duckdb::GetTypeIdSize(type.InternalType()));
}

int64_t Vectors(const LogicalType& type) {
  switch (type.InternalType()) {
    case PhysicalType::LIST:
      return 1 + Vectors(duckdb::ListType::GetChildType(type));
    case PhysicalType::ARRAY:
      return 1 + Vectors(duckdb::ArrayType::GetChildType(type));
    case PhysicalType::STRUCT: {
      int64_t vectors = 1;
      for (const auto& field : duckdb::StructType::GetChildTypes(type)) {
        vectors += Vectors(field.second);
      }
      return vectors;
    }
    default:
      return 1;
  }
}

// The bytes of one value, whatever is nested in it. `row` is the vector's own, before its
// selection: where a vector of structs is sliced, so are its fields; the elements of lists and
// arrays are not.
int64_t ValueBytes(const duckdb::RecursiveUnifiedVectorFormat& format, const LogicalType& type,
                   idx_t row) {
  if (IsFixed(type)) return FixedBytes(type);
  const duckdb::UnifiedVectorFormat& data = format.unified;
  const idx_t at = data.sel->get_index(row);
  const bool valid = data.validity.RowIsValid(at);
  switch (type.InternalType()) {
    case PhysicalType::VARCHAR: {
      if (!valid) return kOffsetBytes;
      const auto* strings = duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(data);
      return kOffsetBytes + static_cast<int64_t>(strings[at].GetSize());
    }
    case PhysicalType::LIST: {
      if (!valid) return kOffsetBytes;
      const auto entry = duckdb::UnifiedVectorFormat::GetData<duckdb::list_entry_t>(data)[at];
      const LogicalType& child = duckdb::ListType::GetChildType(type);
      if (IsFixed(child)) {
        return kOffsetBytes + static_cast<int64_t>(entry.length) * FixedBytes(child);
      }
      int64_t bytes = kOffsetBytes;
      for (idx_t i = 0; i < entry.length; ++i) {
        bytes += ValueBytes(format.children[0], child, entry.offset + i);
      }
      return bytes;
    }
    case PhysicalType::ARRAY: {
      const LogicalType& child = duckdb::ArrayType::GetChildType(type);
      const idx_t size = duckdb::ArrayType::GetSize(type);
      if (IsFixed(child)) return static_cast<int64_t>(size) * FixedBytes(child);
      int64_t bytes = 0;
      for (idx_t i = 0; i < size; ++i) {
        bytes += ValueBytes(format.children[0], child, at * size + i);
      }
      return bytes;
    }
    case PhysicalType::STRUCT: {
      int64_t bytes = 0;
      const auto& fields = duckdb::StructType::GetChildTypes(type);
      for (size_t i = 0; i < fields.size(); ++i) {
        bytes += ValueBytes(format.children[i], fields[i].second, row);
      }
      return bytes;
    }
    default:
      return kOffsetBytes;
  }
}

void AddColumnBytes(duckdb::Vector& column, idx_t rows, std::vector<int64_t>* row_bytes) {
  if (column.GetType().InternalType() == PhysicalType::VARCHAR) {
    duckdb::UnifiedVectorFormat data;
    column.ToUnifiedFormat(rows, data);
    const auto* strings = duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(data);
    for (idx_t row = 0; row < rows; ++row) {
      const idx_t at = data.sel->get_index(row);
      (*row_bytes)[row] +=
          kOffsetBytes +
          (data.validity.RowIsValid(at) ? static_cast<int64_t>(strings[at].GetSize()) : 0);
    }
    return;
  }
  duckdb::RecursiveUnifiedVectorFormat format;
  duckdb::Vector::RecursiveToUnifiedFormat(column, rows, format);
  for (idx_t row = 0; row < rows; ++row) {
    (*row_bytes)[row] += ValueBytes(format, column.GetType(), row);
  }
}

}  // namespace

RowBytes::RowBytes(const duckdb::vector<LogicalType>& types) {
  for (idx_t i = 0; i < types.size(); ++i) {
    vectors_ += Vectors(types[i]);
    if (IsFixed(types[i])) {
      fixed_ += FixedBytes(types[i]);
    } else {
      variable_.push_back(i);
    }
  }
}

std::vector<int64_t> RowBytes::Variable(duckdb::DataChunk& chunk) const {
  std::vector<int64_t> bytes;
  if (variable_.empty()) return bytes;
  bytes.assign(chunk.size(), 0);
  for (const idx_t column : variable_) AddColumnBytes(chunk.data[column], chunk.size(), &bytes);
  return bytes;
}

}  // namespace eider::engine
