#include "cmd/result_writer.h"

#include <arrow/ipc/writer.h>
#include <parquet/arrow/writer.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cmd/cell.h"
#include "cmd/table.h"

namespace eider::cmd {
namespace {

// Text is handed on in pieces of about this size.
constexpr size_t kPieceBytes = 64 << 10;

class TableWriter final : public ResultWriter {
 public:
  TableWriter(arrow::io::OutputStream* out, TableLimits limits) : out_(out), limits_(limits) {}

  arrow::Status Begin(const std::shared_ptr<arrow::Schema>& schema) override {
    for (const auto& field : schema->fields()) {
      table_.columns.push_back(
          {field->name(), TypeName(*field->type()), IsNumeric(*field->type())});
    }
    return arrow::Status::OK();
  }

  arrow::Status Write(const arrow::RecordBatch& batch) override {
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      if (static_cast<int64_t>(table_.rows.size()) >= limits_.max_rows) break;
      auto& cells = table_.rows.emplace_back();
      for (const auto& column : batch.columns()) cells.push_back(CellText(*column, row));
    }
    rows_ += batch.num_rows();
    return arrow::Status::OK();
  }

  arrow::Status End() override {
    const auto shown = static_cast<int64_t>(table_.rows.size());
    table_.footer = GroupDigits(rows_) + (rows_ == 1 ? " row" : " rows") +
                    (shown < rows_ ? " (" + GroupDigits(shown) + " shown)" : "");
    return out_->Write(DrawTable(table_, limits_.max_width));
  }

 private:
  arrow::io::OutputStream* const out_;
  const TableLimits limits_;
  Table table_;
  int64_t rows_ = 0;
};

// What CSV and JSON share: text that is gathered and handed on in pieces.
class TextWriter : public ResultWriter {
 public:
  explicit TextWriter(arrow::io::OutputStream* out) : out_(out) {}

 protected:
  arrow::Status Add(std::string_view text) {
    piece_ += text;
    return piece_.size() >= kPieceBytes ? Flush() : arrow::Status::OK();
  }
  arrow::Status Flush() {
    const arrow::Status written = out_->Write(piece_);
    piece_.clear();
    return written;
  }

 private:
  arrow::io::OutputStream* const out_;
  std::string piece_;
};

// RFC 4180 with \n; NULL is empty, an empty string is "".
class CsvWriter final : public TextWriter {
 public:
  using TextWriter::TextWriter;

  arrow::Status Begin(const std::shared_ptr<arrow::Schema>& schema) override {
    std::string line;
    for (int i = 0; i < schema->num_fields(); ++i) {
      line += (i == 0 ? "" : ",") + Quoted(schema->field(i)->name());
    }
    return Add(line + "\n");
  }

  arrow::Status Write(const arrow::RecordBatch& batch) override {
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      std::string line;
      for (int i = 0; i < batch.num_columns(); ++i) {
        if (i > 0) line += ',';
        if (batch.column(i)->IsValid(row)) line += Quoted(CellText(*batch.column(i), row));
      }
      ARROW_RETURN_NOT_OK(Add(line + "\n"));
    }
    return Flush();
  }

  arrow::Status End() override { return Flush(); }

 private:
  static std::string Quoted(const std::string& text) {
    if (!text.empty() && text.find_first_of(",\"\n\r") == std::string::npos) return text;
    std::string out = "\"";
    for (const char c : text) {
      out += c;
      if (c == '"') out += c;
    }
    return out + "\"";
  }
};

// An array of objects, one to a line.
class JsonWriter final : public TextWriter {
 public:
  using TextWriter::TextWriter;

  arrow::Status Begin(const std::shared_ptr<arrow::Schema>& schema) override {
    for (const auto& field : schema->fields()) names_.push_back(JsonString(field->name()) + ":");
    return Add("[");
  }

  arrow::Status Write(const arrow::RecordBatch& batch) override {
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      std::string line = std::exchange(first_, false) ? "{" : ",\n{";
      for (int i = 0; i < batch.num_columns(); ++i) {
        line +=
            (i == 0 ? "" : ",") + names_[static_cast<size_t>(i)] + CellJson(*batch.column(i), row);
      }
      ARROW_RETURN_NOT_OK(Add(line + "}"));
    }
    return Flush();
  }

  arrow::Status End() override {
    ARROW_RETURN_NOT_OK(Add("]\n"));
    return Flush();
  }

 private:
  std::vector<std::string> names_;
  bool first_ = true;
};

class ArrowWriter final : public ResultWriter {
 public:
  explicit ArrowWriter(arrow::io::OutputStream* out) : out_(out) {}

  arrow::Status Begin(const std::shared_ptr<arrow::Schema>& schema) override {
    ARROW_ASSIGN_OR_RAISE(writer_, arrow::ipc::MakeStreamWriter(out_, schema));
    return arrow::Status::OK();
  }
  arrow::Status Write(const arrow::RecordBatch& batch) override {
    return writer_->WriteRecordBatch(batch);
  }
  arrow::Status End() override { return writer_->Close(); }

 private:
  arrow::io::OutputStream* const out_;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
};

class ParquetWriter final : public ResultWriter {
 public:
  explicit ParquetWriter(arrow::io::OutputStream* out) : out_(out) {}

  arrow::Status Begin(const std::shared_ptr<arrow::Schema>& schema) override {
    parquet::WriterProperties::Builder properties;
    properties.compression(parquet::Compression::ZSTD);
    parquet::ArrowWriterProperties::Builder arrow_properties;
    arrow_properties.store_schema();
    auto writer =
        parquet::arrow::FileWriter::Open(*schema, arrow::default_memory_pool(), NotOwned(out_),
                                         properties.build(), arrow_properties.build());
    if (writer.status().IsNotImplemented()) {
      return base::MakeError(
          base::ErrorCode::kInvalidQuery,
          "the result has a column of a type that cannot be written as Parquet (" +
              writer.status().message() + "): cast it, or choose another format");
    }
    ARROW_ASSIGN_OR_RAISE(writer_, std::move(writer));
    return arrow::Status::OK();
  }
  arrow::Status Write(const arrow::RecordBatch& batch) override {
    return writer_->WriteRecordBatch(batch);
  }
  arrow::Status End() override { return writer_->Close(); }

 private:
  static std::shared_ptr<arrow::io::OutputStream> NotOwned(arrow::io::OutputStream* out) {
    return {out, [](arrow::io::OutputStream*) {}};
  }

  arrow::io::OutputStream* const out_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
};

}  // namespace

std::unique_ptr<ResultWriter> MakeResultWriter(config::OutputFormat format,
                                               arrow::io::OutputStream* out, TableLimits limits) {
  switch (format) {
    case config::OutputFormat::kTable:
      return std::make_unique<TableWriter>(out, limits);
    case config::OutputFormat::kCsv:
      return std::make_unique<CsvWriter>(out);
    case config::OutputFormat::kJson:
      return std::make_unique<JsonWriter>(out);
    case config::OutputFormat::kArrow:
      return std::make_unique<ArrowWriter>(out);
    case config::OutputFormat::kParquet:
      return std::make_unique<ParquetWriter>(out);
  }
  return nullptr;
}

}  // namespace eider::cmd
