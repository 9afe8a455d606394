#include "engine/parquet_layout.h"

#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/table.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>
#include <parquet/encryption/encryption.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "config/limits.h"
#include "duckdb.hpp"

namespace eider::engine {
namespace {

using Bytes = std::vector<uint8_t>;
using Extent = ParquetLayout::Extent;

std::shared_ptr<const ParquetLayout> LayoutOf(const Bytes& file) {
  const auto footer = FooterIn(file);
  return footer ? ParseParquetLayout(*footer, static_cast<int64_t>(file.size())) : nullptr;
}

// 1000 rows of {a: int64, s: {x: int64, y: string}} in row groups of `row_group_rows`, and nothing
// between the chunks and the footer.
Bytes WriteWithArrow(int64_t row_group_rows,
                     std::shared_ptr<parquet::FileEncryptionProperties> encryption = nullptr) {
  arrow::Int64Builder numbers;
  arrow::StringBuilder words;
  for (int64_t i = 0; i < 1000; ++i) {
    EXPECT_TRUE(numbers.Append(i).ok());
    EXPECT_TRUE(words.Append("row " + std::to_string(i)).ok());
  }
  const auto a = *numbers.Finish();
  const auto s =
      *arrow::StructArray::Make({a, *words.Finish()}, std::vector<std::string>{"x", "y"});
  const auto table = arrow::Table::Make(
      arrow::schema({arrow::field("a", a->type()), arrow::field("s", s->type())}), {a, s});
  parquet::WriterProperties::Builder properties;
  properties.disable_write_page_index();
  if (encryption != nullptr) properties.encryption(std::move(encryption));
  const auto sink = *arrow::io::BufferOutputStream::Create();
  const auto status = parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), sink,
                                                 row_group_rows, properties.build());
  EXPECT_TRUE(status.ok()) << status;
  const auto buffer = *sink->Finish();
  return {buffer->data(), buffer->data() + buffer->size()};
}

TEST(ParquetLayoutTest, LeavesOfNestedColumnsInManyRowGroups) {
  const Bytes file = WriteWithArrow(10);
  const auto layout = LayoutOf(file);
  ASSERT_NE(layout, nullptr);
  EXPECT_EQ(layout->leaves(), 3);
  EXPECT_EQ(layout->row_groups(), 100);
  // Chunks fill the file between its magic and its footer.
  int64_t at = 4;
  for (size_t chunk = 0; chunk < 300; ++chunk) {
    EXPECT_EQ(layout->chunk(chunk).offset, at);
    EXPECT_EQ(layout->order()[chunk], chunk);
    at += layout->chunk(chunk).length;
  }
  EXPECT_EQ(at, layout->data_end());
}

TEST(ParquetLayoutTest, EqualSchemasHaveEqualHashes) {
  const auto one = LayoutOf(WriteWithArrow(10));
  const auto two = LayoutOf(WriteWithArrow(1000));
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->schema(), two->schema());
}

class DuckDBFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = (std::filesystem::temp_directory_path() / "eider-layout-XXXXXX").string();
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
    file_ = folder_ + "/file.parquet";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  duckdb::unique_ptr<duckdb::MaterializedQueryResult> Query(const std::string& sql) {
    auto result = connection_.Query(sql);
    EXPECT_FALSE(result->HasError()) << result->GetError();
    return result;
  }

  // Writes the rows, and finds each chunk where DuckDB finds it.
  std::shared_ptr<const ParquetLayout> WriteAndCompare(const std::string& select) {
    Query("COPY (" + select + ") TO '" + file_ + "' (FORMAT parquet, ROW_GROUP_SIZE 2048)");
    std::ifstream in(file_, std::ios::binary);
    const Bytes bytes{std::istreambuf_iterator<char>(in), {}};
    auto layout = LayoutOf(bytes);
    if (layout == nullptr) return layout;
    const auto chunks = Query(
        "SELECT least(data_page_offset, coalesce(dictionary_page_offset, data_page_offset),"
        " coalesce(index_page_offset, data_page_offset)), total_compressed_size"
        " FROM parquet_metadata('" +
        file_ + "') ORDER BY row_group_id, column_id");
    EXPECT_EQ(chunks->RowCount(), layout->row_groups() * layout->leaves());
    for (size_t chunk = 0; chunk < chunks->RowCount(); ++chunk) {
      EXPECT_EQ(layout->chunk(chunk).offset, chunks->GetValue(0, chunk).GetValue<int64_t>());
      EXPECT_EQ(layout->chunk(chunk).length, chunks->GetValue(1, chunk).GetValue<int64_t>());
    }
    return layout;
  }

  duckdb::DuckDB database_{nullptr};
  duckdb::Connection connection_{database_};
  std::string folder_;
  std::string file_;
};

TEST_F(DuckDBFileTest, ChunksAreWhereDuckDBFindsThem) {
  const auto layout = WriteAndCompare(
      "SELECT i, 'word ' || i % 7 AS repeated, [i, i + 1] AS list, {'a': i, 'b': [{'c': 'x'}]} AS "
      "s,"
      " MAP {i: 'v'} AS m, NULL::INTEGER AS nothing FROM range(50000) t(i)");
  ASSERT_NE(layout, nullptr);
  EXPECT_EQ(layout->leaves(), 8);
  EXPECT_EQ(layout->row_groups(), 25);
}

TEST_F(DuckDBFileTest, AFileWithoutRows) {
  const auto layout = WriteAndCompare("SELECT i FROM range(0) t(i)");
  ASSERT_NE(layout, nullptr);
  EXPECT_EQ(layout->leaves(), 1);
  EXPECT_EQ(layout->row_groups(), 0);
}

TEST(ParquetLayoutTest, EncryptedFootersAndColumns) {
  const auto write = [](bool plain_footer) {
    parquet::ColumnPathToEncryptionPropertiesMap columns;
    columns["a"] = parquet::ColumnEncryptionProperties::WithColumnKey(
        arrow::util::SecureString(std::string("5432109876543210")));
    parquet::FileEncryptionProperties::Builder encryption{
        arrow::util::SecureString(std::string("0123456789012345"))};
    if (plain_footer) encryption.set_plaintext_footer();
    encryption.encrypted_columns(std::move(columns));
    return WriteWithArrow(100, encryption.build());
  };
  const Bytes encrypted = write(false);
  EXPECT_EQ(std::memcmp(&*encrypted.end() - 4, "PARE", 4), 0);
  EXPECT_FALSE(FooterLength(encrypted));
  EXPECT_FALSE(FooterIn(encrypted));
  const Bytes plain = write(true);
  EXPECT_TRUE(FooterIn(plain));
  EXPECT_EQ(LayoutOf(plain), nullptr);
}

TEST(ParquetLayoutTest, AFooterIsFoundWholeOrNotAtAll) {
  const Bytes file = WriteWithArrow(100);
  const std::span<const uint8_t> all(file);
  const auto whole = FooterIn(all);
  ASSERT_TRUE(whole);
  EXPECT_EQ(*FooterLength(all), static_cast<int64_t>(whole->size()));
  EXPECT_EQ(*FooterLength(all.last(8)), static_cast<int64_t>(whole->size()));
  const auto exact = FooterIn(all.last(whole->size() + 8));
  ASSERT_TRUE(exact);
  EXPECT_EQ(exact->data(), whole->data());
  EXPECT_EQ(exact->size(), whole->size());
  EXPECT_FALSE(FooterIn(all.last(whole->size() + 7)));
  EXPECT_FALSE(FooterIn(all.last(7)));
  EXPECT_FALSE(FooterIn({}));
  EXPECT_FALSE(FooterIn(all.first(all.size() - 1)));
  EXPECT_FALSE(FooterLength(Bytes{0, 0, 0, 0, 'P', 'A', 'R', '1'}));
  const Bytes long_one = {0xFF, 0xFF, 0xFF, 0xFF, 'P', 'A', 'R', '1'};
  EXPECT_EQ(FooterLength(long_one), 0xFFFFFFFF);
  EXPECT_FALSE(FooterIn(long_one));
}

TEST(ParquetLayoutTest, TruncatedFooters) {
  const Bytes file = WriteWithArrow(100);
  const auto footer = *FooterIn(file);
  const auto size = static_cast<int64_t>(file.size());
  ASSERT_NE(ParseParquetLayout(footer, size), nullptr);
  // What is cut off may be the signature and other fields that nobody needs.
  const auto whole = ParseParquetLayout(footer, size);
  for (size_t bytes = 0; bytes < footer.size(); ++bytes) {
    const auto layout = ParseParquetLayout(footer.first(bytes), size);
    if (bytes < footer.size() / 2) {
      EXPECT_EQ(layout, nullptr) << bytes;
    }
  }
  EXPECT_EQ(ParseParquetLayout(footer, static_cast<int64_t>(footer.size())), nullptr);
  EXPECT_EQ(ParseParquetLayout(footer, size - 1), nullptr);  // the last chunk is in the footer
  EXPECT_EQ(ParseParquetLayout(footer, -1), nullptr);
  EXPECT_EQ(whole->row_groups(), 10);
}

TEST(ParquetLayoutTest, GarbageIsNoFooter) {
  std::mt19937 random(4);
  const Bytes file = WriteWithArrow(100);
  const auto footer = *FooterIn(file);
  int parsed = 0;
  for (int round = 0; round < 3000; ++round) {
    Bytes bytes(footer.begin(), footer.end());
    if (round % 2 == 0) {
      for (int flips = 0; flips < 3; ++flips) {
        bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
      }
    } else {
      bytes.resize(random() % 500);
      for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    }
    const auto layout = ParseParquetLayout(bytes, static_cast<int64_t>(file.size()));
    if (layout == nullptr) continue;
    ++parsed;
    for (const uint32_t chunk : layout->order()) {
      ASSERT_GE(layout->chunk(chunk).offset, 4);
      ASSERT_LE(layout->chunk(chunk).offset + layout->chunk(chunk).length, layout->data_end());
    }
  }
  EXPECT_GT(parsed, 0);  // flips in names and statistics
}

TEST(ParquetLayoutTest, BoundsOnSize) {
  Bytes large(static_cast<size_t>(config::kMaxParquetFooterBytes) + 1);
  EXPECT_EQ(ParseParquetLayout(large, config::kGiB), nullptr);
  const auto most = static_cast<size_t>(config::kMaxParquetChunks);
  EXPECT_NE(ParquetLayout::Make(1, std::vector<Extent>(most), 4, 0), nullptr);
  EXPECT_EQ(ParquetLayout::Make(1, std::vector<Extent>(most + 1), 4, 0), nullptr);
}

TEST(ParquetLayoutTest, ChunksOutsideTheDataOrInAnother) {
  const auto makes = [](std::vector<Extent> chunks) {
    return ParquetLayout::Make(1, std::move(chunks), 100, 0) != nullptr;
  };
  EXPECT_TRUE(makes({{4, 50}, {54, 46}}));
  EXPECT_TRUE(makes({{54, 46}, {4, 50}}));  // in any order
  EXPECT_FALSE(makes({{4, 50}, {53, 46}}));
  EXPECT_FALSE(makes({{4, 50}, {4, 50}}));
  EXPECT_FALSE(makes({{4, 96}, {20, 5}}));
  EXPECT_FALSE(makes({{3, 50}}));
  EXPECT_FALSE(makes({{-4, 50}}));
  EXPECT_FALSE(makes({{4, -1}}));
  EXPECT_FALSE(makes({{54, 47}}));
  EXPECT_FALSE(makes({{54, INT64_MAX}}));
  EXPECT_FALSE(makes({{INT64_MAX, INT64_MAX}}));
  EXPECT_FALSE(ParquetLayout::Make(2, {{4, 1}, {5, 1}, {6, 1}}, 100, 0));
}

TEST(ParquetLayoutTest, FindsChunksByOffset) {
  const auto layout = ParquetLayout::Make(1, {{50, 10}, {4, 6}, {0, 0}, {60, 5}}, 100, 0);
  ASSERT_NE(layout, nullptr);
  ASSERT_EQ(layout->order().size(), 3);
  EXPECT_EQ(layout->order()[0], 1);
  EXPECT_EQ(layout->FirstEndingAfter(0), 0);
  EXPECT_EQ(layout->FirstEndingAfter(9), 0);
  EXPECT_EQ(layout->FirstEndingAfter(10), 1);
  EXPECT_EQ(layout->FirstEndingAfter(59), 1);
  EXPECT_EQ(layout->FirstEndingAfter(60), 2);
  EXPECT_EQ(layout->FirstEndingAfter(65), 3);
}

}  // namespace
}  // namespace eider::engine
