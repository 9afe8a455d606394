#include "cmd/cell.h"

#include <arrow/builder.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <memory>

namespace eider::cmd {
namespace {

template <typename Builder, typename... Values>
std::shared_ptr<arrow::Array> ArrayOf(Builder&& builder, Values... values) {
  (void)std::initializer_list<int>{((void)builder.Append(values), 0)...};
  return builder.Finish().ValueOrDie();
}

TEST(Cell, Numbers) {
  const auto doubles = ArrayOf(arrow::DoubleBuilder(), 0.1, 2.0, 1e300,
                               std::numeric_limits<double>::infinity(), std::nan(""));
  EXPECT_EQ(CellText(*doubles, 0), "0.1");
  EXPECT_EQ(CellText(*doubles, 1), "2.0");
  EXPECT_EQ(CellText(*doubles, 2), "1e+300");
  EXPECT_EQ(CellJson(*doubles, 3), "\"inf\"");
  EXPECT_EQ(CellJson(*doubles, 4), "\"nan\"");
  const auto big = ArrayOf(arrow::Int64Builder(), int64_t{9007199254740993});
  EXPECT_EQ(CellJson(*big, 0), "9007199254740993");
  const auto decimals =
      ArrayOf(arrow::Decimal128Builder(arrow::decimal128(10, 2)), arrow::Decimal128(12345));
  EXPECT_EQ(CellJson(*decimals, 0), "123.45");
  EXPECT_EQ(TypeName(*decimals->type()), "decimal(10,2)");
}

TEST(Cell, TextBytesAndNull) {
  arrow::StringBuilder texts;
  ASSERT_TRUE(texts.Append("say \"hi\"\n").ok());
  ASSERT_TRUE(texts.AppendNull().ok());
  const auto array = texts.Finish().ValueOrDie();
  EXPECT_EQ(CellText(*array, 0), "say \"hi\"\n");
  EXPECT_EQ(CellJson(*array, 0), "\"say \\\"hi\\\"\\n\"");
  EXPECT_EQ(CellText(*array, 1), "NULL");
  EXPECT_EQ(CellJson(*array, 1), "null");
  const auto blobs = ArrayOf(arrow::BinaryBuilder(), "a\xff");
  EXPECT_EQ(CellText(*blobs, 0), "a\\xFF");
}

TEST(Cell, Times) {
  const auto stamps = ArrayOf(arrow::TimestampBuilder(arrow::timestamp(arrow::TimeUnit::MICRO),
                                                      arrow::default_memory_pool()),
                              int64_t{0}, int64_t{1'500'000});
  EXPECT_EQ(CellText(*stamps, 0), "1970-01-01 00:00:00");
  EXPECT_EQ(CellText(*stamps, 1), "1970-01-01 00:00:01.5");
  const auto intervals =
      ArrayOf(arrow::MonthDayNanoIntervalBuilder(),
              arrow::MonthDayNanoIntervalType::MonthDayNanos{14, 1, 0},
              arrow::MonthDayNanoIntervalType::MonthDayNanos{0, 0, 1'500'000'000});
  EXPECT_EQ(CellText(*intervals, 0), "1 year 2 months 1 day");
  EXPECT_EQ(CellText(*intervals, 1), "00:00:01.5");
}

TEST(Cell, NestedValues) {
  auto values = std::make_shared<arrow::StringBuilder>();
  arrow::ListBuilder lists(arrow::default_memory_pool(), values);
  ASSERT_TRUE(lists.Append().ok());
  ASSERT_TRUE(values->Append("x").ok());
  ASSERT_TRUE(values->AppendNull().ok());
  ASSERT_TRUE(lists.Append().ok());
  ASSERT_TRUE(values->Append("y").ok());
  const auto list = lists.Finish().ValueOrDie();
  EXPECT_EQ(CellText(*list, 0), "['x', NULL]");
  EXPECT_EQ(CellJson(*list, 0), "[\"x\",null]");
  EXPECT_EQ(CellText(*list->Slice(1), 0), "['y']");
  EXPECT_EQ(TypeName(*list->type()), "varchar[]");
  const auto made = arrow::StructArray::Make({list}, std::vector<std::string>{"a"}).ValueOrDie();
  EXPECT_EQ(CellText(*made, 1), "{'a': ['y']}");
  EXPECT_EQ(CellJson(*made->Slice(1), 0), "{\"a\":[\"y\"]}");
}

TEST(Cell, JsonOfBytesThatAreNoText) { EXPECT_EQ(JsonString("a\xff"), "\"a\xEF\xBF\xBD\""); }

}  // namespace
}  // namespace eider::cmd
