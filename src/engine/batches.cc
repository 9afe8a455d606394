#include "engine/batches.h"

#include <arrow/c/bridge.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "duckdb.hpp"
#include "duckdb/common/arrow/arrow_converter.hpp"
#include "duckdb/common/types/vector.hpp"
#include "duckdb/function/table/arrow/arrow_duck_schema.hpp"
#include "engine/errors.h"

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

// The bytes of one value, whatever is nested in it.
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
        bytes += ValueBytes(format.children[i], fields[i].second, at);
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

arrow::Result<std::shared_ptr<arrow::Schema>> ExportSchema(
    const duckdb::vector<LogicalType>& types, const duckdb::vector<duckdb::string>& names,
    duckdb::ClientProperties properties) {
  ArrowSchema exported;
  exported.release = nullptr;
  duckdb::ArrowConverter::ToArrowSchema(&exported, types, names, properties);
  auto schema = arrow::ImportSchema(&exported);
  if (schema.ok()) return schema;
  return base::MakeError(base::ErrorCode::kInvalidQuery,
                         "a column's type has no Arrow form (" + schema.status().message() +
                             "): cast it, with CAST(... AS JSON) or CAST(... AS VARCHAR)");
}

// Which column it was that has no Arrow export.
arrow::Status NoExport(const duckdb::vector<LogicalType>& types,
                       const duckdb::vector<duckdb::string>& names,
                       const duckdb::ClientProperties& properties, const std::exception& whole) {
  for (size_t i = 0; i < types.size(); ++i) {
    try {
      ARROW_RETURN_NOT_OK(ExportSchema({types[i]}, {names[i]}, properties).status());
    } catch (const std::exception&) {
      const std::string name = duckdb::KeywordHelper::WriteOptionallyQuoted(names[i]);
      return base::MakeError(base::ErrorCode::kInvalidQuery,
                             "column " + name + " is of type " + types[i].ToString() +
                                 ", which has no Arrow form: cast it, with CAST(" + name +
                                 " AS JSON) or CAST(" + name + " AS VARCHAR)");
    }
  }
  return TranslateException(whole);
}

}  // namespace

BatchBuilder::BatchBuilder(duckdb::vector<LogicalType> types, duckdb::ClientProperties properties)
    : types_(std::move(types)), properties_(std::move(properties)) {
  for (idx_t i = 0; i < types_.size(); ++i) {
    if (IsFixed(types_[i])) {
      fixed_bytes_ += FixedBytes(types_[i]);
    } else {
      variable_.push_back(i);
    }
  }
}

arrow::Result<std::unique_ptr<BatchBuilder>> BatchBuilder::Make(
    duckdb::vector<LogicalType> types, const duckdb::vector<duckdb::string>& names,
    duckdb::ClientProperties properties) {
  std::unique_ptr<BatchBuilder> builder(new BatchBuilder(std::move(types), std::move(properties)));
  try {
    ARROW_ASSIGN_OR_RAISE(builder->schema_,
                          ExportSchema(builder->types_, names, builder->properties_));
    duckdb::ClientContext& context = *builder->properties_.client_context;
    builder->extensions_ =
        duckdb::ArrowTypeExtensionData::GetExtensionTypes(context, builder->types_);
  } catch (const std::exception& exception) {
    return NoExport(builder->types_, names, builder->properties_, exception);
  }
  return builder;
}

void BatchBuilder::Offer(duckdb::DataChunk& chunk) {
  chunk_ = &chunk;
  taken_ = 0;
  row_bytes_.clear();
  if (variable_.empty()) return;
  row_bytes_.assign(chunk.size(), 0);
  for (const idx_t column : variable_) {
    AddColumnBytes(chunk.data[column], chunk.size(), &row_bytes_);
  }
}

bool BatchBuilder::Take() {
  const auto size = static_cast<int64_t>(chunk_->size());
  int64_t until = taken_;
  while (until < size && !full_) {
    const int64_t bytes = RowBytes(until);
    if (rows_ > 0 && (rows_ >= kMaxBatchRows || bytes_ + bytes > kMaxBatchBytes)) {
      full_ = true;
      break;
    }
    ++until;
    ++rows_;
    bytes_ += bytes;
  }
  if (until > taken_) {
    if (!appender_) {
      appender_ = duckdb::make_uniq<duckdb::ArrowAppender>(types_, until - taken_, properties_,
                                                           extensions_);
    }
    appender_->Append(*chunk_, taken_, until, size);
    taken_ = until;
  }
  return taken_ == size;
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> BatchBuilder::Finish() {
  ArrowArray exported = appender_->Finalize();
  appender_.reset();
  rows_ = 0;
  bytes_ = 0;
  full_ = false;
  return arrow::ImportRecordBatch(&exported, schema_);
}

}  // namespace eider::engine
