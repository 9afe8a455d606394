#include "cmd/result_writer.h"

#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/table.h>
#include <gmock/gmock.h>
#include <parquet/arrow/reader.h>

#include <string>

#include "base/error.h"
#include "cmd/result_stream.h"

namespace eider::cmd {
namespace {

using config::OutputFormat;
using ::testing::HasSubstr;

std::shared_ptr<arrow::RecordBatch> MakeBatch(int64_t rows) {
  arrow::Int64Builder numbers;
  arrow::StringBuilder texts;
  for (int64_t i = 0; i < rows; ++i) {
    EXPECT_TRUE(numbers.Append(i).ok());
    EXPECT_TRUE((i % 2 == 0 ? texts.Append("a,\"b\"") : texts.AppendNull()).ok());
  }
  const auto schema =
      arrow::schema({arrow::field("n", arrow::int64()), arrow::field("t", arrow::utf8())});
  return arrow::RecordBatch::Make(schema, rows,
                                  {numbers.Finish().ValueOrDie(), texts.Finish().ValueOrDie()});
}

// An Arrow stream of `batches` batches of two rows.
std::string MakeStream(int batches) {
  auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto writer = arrow::ipc::MakeStreamWriter(sink, MakeBatch(0)->schema()).ValueOrDie();
  for (int i = 0; i < batches; ++i) EXPECT_TRUE(writer->WriteRecordBatch(*MakeBatch(2)).ok());
  EXPECT_TRUE(writer->Close().ok());
  return sink->Finish().ValueOrDie()->ToString();
}

// The stream as `format`, taken in pieces of `piece` bytes.
arrow::Result<std::string> Convert(const std::string& stream, OutputFormat format, size_t piece,
                                   int64_t max_rows = 40) {
  ARROW_ASSIGN_OR_RAISE(auto sink, arrow::io::BufferOutputStream::Create());
  const auto writer = MakeResultWriter(format, sink.get(), {.max_rows = max_rows});
  ResultStream result(writer.get());
  for (size_t at = 0; at < stream.size(); at += piece) {
    ARROW_RETURN_NOT_OK(result.Take(std::string_view(stream).substr(at, piece)));
  }
  ARROW_RETURN_NOT_OK(result.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto bytes, sink->Finish());
  return bytes->ToString();
}

TEST(ResultWriter, Csv) {
  EXPECT_EQ(Convert(MakeStream(1), OutputFormat::kCsv, 7).ValueOrDie(),
            "n,t\n0,\"a,\"\"b\"\"\"\n1,\n");
}

TEST(ResultWriter, Json) {
  EXPECT_EQ(Convert(MakeStream(1), OutputFormat::kJson, 1).ValueOrDie(),
            "[{\"n\":0,\"t\":\"a,\\\"b\\\"\"},\n{\"n\":1,\"t\":null}]\n");
  EXPECT_EQ(Convert(MakeStream(0), OutputFormat::kJson, 64).ValueOrDie(), "[]\n");
}

TEST(ResultWriter, TableShowsTheFirstRowsAndCountsAll) {
  const std::string table = Convert(MakeStream(3), OutputFormat::kTable, 100, 3).ValueOrDie();
  EXPECT_THAT(table, HasSubstr("6 rows (3 shown)"));
  EXPECT_THAT(table, HasSubstr("│ bigint │ varchar │"));
}

TEST(ResultWriter, ArrowAndParquetKeepEverything) {
  const std::string stream = Convert(MakeStream(2), OutputFormat::kArrow, 1000).ValueOrDie();
  auto reader = arrow::ipc::RecordBatchStreamReader::Open(
                    std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(stream)))
                    .ValueOrDie();
  EXPECT_EQ(reader->ToTable().ValueOrDie()->num_rows(), 4);

  const std::string file = Convert(MakeStream(2), OutputFormat::kParquet, 1000).ValueOrDie();
  auto parquet = parquet::arrow::OpenFile(
                     std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(file)),
                     arrow::default_memory_pool())
                     .ValueOrDie();
  EXPECT_EQ(parquet->parquet_reader()->metadata()->num_rows(), 4);
}

TEST(ResultStream, AStreamCutAnywhereIsAnError) {
  const std::string stream = MakeStream(2);
  for (size_t size = 0; size < stream.size(); ++size) {
    const auto cut = Convert(stream.substr(0, size), OutputFormat::kCsv, 50);
    // The last 4 bytes are the length 0 of the end marker.
    ASSERT_FALSE(cut.ok()) << size << " of " << stream.size();
    EXPECT_EQ(base::ErrorOf(cut.status()).code, base::ErrorCode::kWorkerLost) << size;
  }
}

TEST(ResultStream, RefusesWhatIsNoStream) {
  EXPECT_FALSE(Convert("<html>this is not what was asked for</html>", OutputFormat::kCsv, 9).ok());
  EXPECT_FALSE(Convert(MakeStream(1) + "more", OutputFormat::kCsv, 5).ok());
}

}  // namespace
}  // namespace eider::cmd
