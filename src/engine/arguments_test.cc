#include <arrow/scalar.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/engine_fixture.h"
#include "protocol/value.h"

namespace eider::engine {
namespace {

using base::ErrorCode;
using protocol::Value;
using ::testing::HasSubstr;

EngineOptions Bare() {
  EngineOptions options = TestOptions();
  options.extensions = {};
  return options;
}

class ArgumentsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { engine_ = OpenEngine(Bare()).release(); }
  static void TearDownTestSuite() { delete engine_; }

  // `SELECT typeof(v) || ' ' || v` of the argument, or the error's message.
  static std::string Bound(Value value) {
    const auto table =
        ReadAll(*engine_, Sql("SELECT typeof(v) || ' ' || coalesce(v::VARCHAR, 'NULL') FROM "
                              "(SELECT $1 AS v)",
                              {.positional = {std::move(value)}, .named = {}}));
    if (!table.ok()) return base::ErrorOf(table.status()).message;
    return (*(*table)->column(0)->GetScalar(0))->ToString();
  }
  static std::string BoundJson(const std::string& json) {
    const auto parsed = protocol::ParseJson(json);
    EXPECT_TRUE(parsed.ok()) << json << ": " << parsed.status();
    return parsed.ok() ? Bound(protocol::ReadTypedValues(*parsed)) : "";
  }

  static Engine* engine_;
};
Engine* ArgumentsTest::engine_ = nullptr;

TEST_F(ArgumentsTest, ScalarsAreWhatALiteralWouldBe) {
  EXPECT_EQ(Bound(Value::Bool(true)), "BOOLEAN true");
  EXPECT_EQ(BoundJson("-7"), "INTEGER -7");
  EXPECT_EQ(BoundJson("2147483648"), "BIGINT 2147483648");
  EXPECT_EQ(BoundJson("9223372036854775808"), "HUGEINT 9223372036854775808");
  EXPECT_EQ(BoundJson("-170141183460469231731687303715884105728"),
            "HUGEINT -170141183460469231731687303715884105728");
  EXPECT_EQ(BoundJson("340282366920938463463374607431768211455"),
            "UHUGEINT 340282366920938463463374607431768211455");
  EXPECT_THAT(BoundJson("340282366920938463463374607431768211456"), HasSubstr("beyond 128 bits"));
  EXPECT_EQ(BoundJson("1.5"), "DOUBLE 1.5");
  EXPECT_EQ(BoundJson("1e-400"), "DOUBLE 0.0");
  Value huge = Value::String("1e400");
  huge.kind = Value::Kind::kDouble;
  EXPECT_THAT(Bound(huge), HasSubstr("beyond a double"));
  EXPECT_EQ(BoundJson("\"it's\""), "VARCHAR it's");
  EXPECT_THAT(BoundJson("null"), HasSubstr("NULL"));
}

TEST_F(ArgumentsTest, ListsAndObjects) {
  EXPECT_EQ(BoundJson("[1, 2]"), "INTEGER[] [1, 2]");
  EXPECT_EQ(BoundJson("[1, 2.5, null]"), "DOUBLE[] [1.0, 2.5, NULL]");
  EXPECT_EQ(BoundJson("[[1], [3000000000], []]"), "BIGINT[][] [[1], [3000000000], []]");
  EXPECT_THAT(BoundJson("[]"), HasSubstr("[]"));
  EXPECT_THAT(BoundJson("[1, \"a\"]"), HasSubstr("no common type"));
  EXPECT_EQ(BoundJson(R"json({"a": 1, "b": ["x"]})json"),
            "STRUCT(a INTEGER, b VARCHAR[]) {'a': 1, 'b': [x]}");
  EXPECT_THAT(BoundJson("{}"), HasSubstr("without fields"));
  EXPECT_THAT(BoundJson(R"json({"a": 1, "A": 2})json"), HasSubstr("twice"));
}

TEST_F(ArgumentsTest, TypedValues) {
  EXPECT_EQ(BoundJson(R"json({"type": "TIMESTAMP", "value": "2025-05-01 00:00:00"})json"),
            "TIMESTAMP 2025-05-01 00:00:00");
  EXPECT_EQ(BoundJson(R"json({"type": "DECIMAL(18,3)", "value": "1.2345"})json"),
            "DECIMAL(18,3) 1.235");
  EXPECT_EQ(BoundJson(R"json({"type": "INTEGER[]", "value": ["1", "2"]})json"), "INTEGER[] [1, 2]");
  EXPECT_THAT(
      BoundJson(R"json({"type": "timestamp with time zone", "value": "2025-05-01 00:00:00Z"})json"),
      HasSubstr("TIMESTAMP WITH TIME ZONE 2025-0"));
  EXPECT_EQ(
      BoundJson(R"json({"type": "UUID", "value": "eeccb8c5-9943-b2bb-bb5e-222f4e14b687"})json"),
      "UUID eeccb8c5-9943-b2bb-bb5e-222f4e14b687");
  // How a struct with just these two fields is passed.
  const char* const both =
      R"json({"type": "STRUCT(type VARCHAR, value INTEGER)",
              "value": {"type": "a", "value": 1}})json";
  EXPECT_EQ(BoundJson(both), "STRUCT(\"type\" VARCHAR, \"value\" INTEGER) {'type': a, 'value': 1}");
  EXPECT_THAT(BoundJson(R"json({"type": "NOSUCH", "value": 1})json"), HasSubstr("NOSUCH"));
  EXPECT_THAT(BoundJson(R"json({"type": "INTEGER, b INTEGER", "value": 1})json"),
              HasSubstr("no type"));
  EXPECT_THAT(BoundJson(R"json({"type": "DATE", "value": "yesterday"})json"),
              HasSubstr("yesterday"));
}

TEST_F(ArgumentsTest, WrongCountsNameBoth) {
  const auto error =
      ErrorFrom(*engine_, Sql("SELECT ?, ?", {.positional = {Value::Integer(1)}, .named = {}}));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kInvalidQuery);
  EXPECT_THAT(error->message, HasSubstr("2 parameters, but 1 argument was"));
  EXPECT_THAT(
      ErrorFrom(*engine_, Sql("SELECT 1", {.positional = {Value::Null()}, .named = {}}))->message,
      HasSubstr("0 parameters, but 1 argument was"));
  EXPECT_THAT(ErrorFrom(*engine_, Sql("SELECT $a"))->message,
              HasSubstr("1 parameter, but 0 arguments were"));
}

TEST_F(ArgumentsTest, NamedArguments) {
  const auto table = ReadAll(
      *engine_,
      Sql("SELECT $a + $B AS c",
          {.positional = {}, .named = {{"A", Value::Integer(1)}, {"b", Value::Integer(2)}}}));
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ((*(*table)->column(0)->GetScalar(0))->ToString(), "3");
  EXPECT_THAT(
      ErrorFrom(*engine_, Sql("SELECT $a", {.positional = {}, .named = {{"x", Value::Null()}}}))
          ->message,
      HasSubstr("no parameter $x"));
  EXPECT_THAT(
      ErrorFrom(*engine_, Sql("SELECT $a", {.positional = {Value::Null()}, .named = {}}))->message,
      HasSubstr("object"));
}

TEST_F(ArgumentsTest, AWrongTypeIsTheClientsMistake) {
  const auto error = ErrorFrom(*engine_, Sql("SELECT * FROM read_parquet(?)",
                                             {.positional = {Value::Integer(1)}, .named = {}}));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kInvalidQuery);
}

}  // namespace
}  // namespace eider::engine
