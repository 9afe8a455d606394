#include "engine/batches.h"

#include <arrow/c/bridge.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "duckdb.hpp"
#include "duckdb/common/arrow/arrow_converter.hpp"
#include "duckdb/function/table/arrow/arrow_duck_schema.hpp"
#include "engine/errors.h"

namespace eider::engine {
namespace {

using duckdb::LogicalType;

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
    : types_(std::move(types)), properties_(std::move(properties)), measure_(types_) {}

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

void BatchBuilder::Offer(ResultPiece piece) {
  piece_ = std::move(piece);
  taken_ = 0;
}

void BatchBuilder::Take() {
  const auto size = static_cast<int64_t>(piece_.chunk->size());
  int64_t until = taken_;
  while (until < size && !full_) {
    const int64_t bytes = BytesOf(until);
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
    appender_->Append(*piece_.chunk, taken_, until, size);
    taken_ = until;
  }
  if (taken_ == size) piece_ = {};
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
