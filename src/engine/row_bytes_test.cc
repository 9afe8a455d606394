#include "engine/row_bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "duckdb.hpp"
#include "duckdb/common/types/vector.hpp"

namespace eider::engine {
namespace {

using duckdb::idx_t;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RowBytesTest : public ::testing::Test {
 protected:
  // The first chunk of what `expression` gives of i = 0, 1, ...
  duckdb::unique_ptr<duckdb::DataChunk> Chunk(const std::string& expression, int rows) {
    auto result = connection_.Query("SELECT " + expression + " FROM range(" + std::to_string(rows) +
                                    ") t(i)");
    EXPECT_FALSE(result->HasError()) << result->GetError();
    return result->Fetch();
  }

  static duckdb::unique_ptr<duckdb::DataChunk> Copy(duckdb::DataChunk& chunk) {
    auto copy = duckdb::make_uniq<duckdb::DataChunk>();
    copy->Initialize(duckdb::Allocator::DefaultAllocator(), chunk.GetTypes(), chunk.size());
    chunk.Copy(*copy, 0);
    return copy;
  }

  duckdb::DuckDB database_{nullptr};
  duckdb::Connection connection_{database_};
};

TEST_F(RowBytesTest, CountsFixedAndVariable) {
  auto chunk = Chunk("i::BIGINT, i::INTEGER, repeat('x', i::INT)", 3);
  const RowBytes measure(chunk->GetTypes());
  EXPECT_EQ(measure.fixed(), 12);
  EXPECT_EQ(measure.vectors(), 3);
  EXPECT_THAT(measure.Variable(*chunk), ElementsAre(4, 5, 6));
}

TEST_F(RowBytesTest, NothingIsVariable) {
  auto chunk = Chunk("i", 3);
  EXPECT_THAT(RowBytes(chunk->GetTypes()).Variable(*chunk), IsEmpty());
}

TEST_F(RowBytesTest, CountsNestedVectors) {
  auto chunk = Chunk("{'a': [i::VARCHAR], 'b': {'c': i, 'd': i::VARCHAR}}", 1);
  EXPECT_EQ(RowBytes(chunk->GetTypes()).vectors(), 6);
}

// A filter gives a selection of rows, a join the same row often, a constant one for all: what each
// row comes to is the same as when it is copied out.
TEST_F(RowBytesTest, TheSameOfAnyVector) {
  const std::string text = "repeat('x', (i * 7 % 100)::INT)";
  for (const std::string& expression : std::vector<std::string>{
           text,
           "CASE WHEN i % 3 > 0 THEN " + text + " END",
           "{'a': " + text + ", 'b': i}",
           "CASE WHEN i % 3 > 0 THEN {'a': " + text + ", 'b': {'c': " + text + "}} END",
           "[" + text + ", 'y']",
           "[{'a': " + text + "}, {'a': 'y'}]",
           "{'a': [" + text + ", NULL], 'b': [i, i]}",
           "[[" + text + "], []]",
           "array_value(" + text + ", 'y')",
           "{'a': array_value(" + text + ", 'y')}",
           "array_value({'a': " + text + "}, {'a': 'y'})",
           "MAP {i: " + text + "}",
           "CASE WHEN i % 2 > 0 THEN union_value(a := " + text + ") END",
           "range(i % 5)",
       }) {
    SCOPED_TRACE(expression);
    auto chunk = Chunk(expression, 1000);
    ASSERT_EQ(chunk->size(), 1000);
    const RowBytes measure(chunk->GetTypes());
    const auto flat = measure.Variable(*chunk);

    duckdb::SelectionVector odd(500);
    for (idx_t i = 0; i < 500; ++i) odd.set_index(i, 2 * i + 1);
    chunk->Slice(odd, 500);
    const auto sliced = measure.Variable(*chunk);
    EXPECT_EQ(sliced, measure.Variable(*Copy(*chunk)));
    for (idx_t i = 0; i < 500; ++i) ASSERT_EQ(sliced[i], flat[2 * i + 1]);

    duckdb::SelectionVector last_first(500);
    for (idx_t i = 0; i < 500; ++i) last_first.set_index(i, 499 - i / 2);
    chunk->Slice(last_first, 500);
    const auto twice = measure.Variable(*chunk);
    EXPECT_EQ(twice, measure.Variable(*Copy(*chunk)));
    for (idx_t i = 0; i < 500; ++i) ASSERT_EQ(twice[i], sliced[499 - i / 2]);

    duckdb::DataChunk constant;
    constant.Initialize(duckdb::Allocator::DefaultAllocator(), chunk->GetTypes());
    duckdb::ConstantVector::Reference(constant.data[0], chunk->data[0], 7, chunk->size());
    constant.SetCardinality(300);
    const auto same = measure.Variable(constant);
    EXPECT_EQ(same, measure.Variable(*Copy(constant)));
    EXPECT_EQ(same, std::vector<int64_t>(300, twice[7]));
  }
}

}  // namespace
}  // namespace eider::engine
