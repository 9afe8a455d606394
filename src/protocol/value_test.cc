#include "protocol/value.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace eider::protocol {
namespace {

std::string ErrorFor(std::string_view json) {
  const auto parsed = ParseJson(json);
  if (parsed.ok()) return "no error";
  EXPECT_EQ(base::ErrorOf(parsed.status()).code, base::ErrorCode::kInvalidQuery);
  return parsed.status().message();
}

TEST(ParseJson, RoundTrips) {
  for (const char* json :
       {"null", "true", "[]", "{}", "[1,-2,3.50,1e-7]", "\"a\\\"b\\u0001\"",
        "{\"b\":1,\"a\":{\"c\":[null,false]}}", "170141183460469231731687303715884105727",
        "-170141183460469231731687303715884105728", "18446744073709551615"}) {
    const auto parsed = ParseJson(json);
    ASSERT_TRUE(parsed.ok()) << json << parsed.status();
    EXPECT_EQ(EncodeJson(*parsed), json);
  }
}

TEST(ParseJson, IntegersPast64BitsStayIntegers) {
  EXPECT_EQ(ParseJson("18446744073709551616")->kind, Value::Kind::kInteger);
  EXPECT_EQ(ParseJson("1.0")->kind, Value::Kind::kDouble);
  EXPECT_FALSE(ParseJson("18446744073709551616")->AsInt64().ok());
  EXPECT_EQ(*ParseJson("-9223372036854775808")->AsInt64(), INT64_MIN);
}

TEST(ParseJson, RefusesDuplicateKeysByName) {
  EXPECT_NE(ErrorFor("{\"a\":{\"x\":1,\"x\":2}}").find("\"x\" is there twice"), std::string::npos);
  EXPECT_TRUE(ParseJson("[{\"x\":1},{\"x\":2}]").ok());
}

TEST(ParseJson, RefusesNestingPast64) {
  EXPECT_TRUE(ParseJson(std::string(64, '[') + std::string(64, ']')).ok());
  EXPECT_NE(ErrorFor(std::string(65, '[') + std::string(65, ']')).find("64 levels"),
            std::string::npos);
  EXPECT_NE(ErrorFor(std::string(5'000'000, '[')).find("64 levels"), std::string::npos);
}

TEST(ParseJson, RefusesWhatIsNoJson) {
  for (const char* json : {"", "{", "nope", "[1,]", "{\"a\" 1}", "1 2", "\"\xff\""}) {
    EXPECT_NE(ErrorFor(json).find("not JSON"), std::string::npos) << json;
  }
}

TEST(ParseJson, SaysWhereANumberIsBeyondADouble) {
  EXPECT_NE(ErrorFor("[1e999]").find("byte 6 is beyond a double"), std::string::npos);
}

TEST(ReadTypedValues, TakesExactlyTypeAndValue) {
  const Value typed = ReadTypedValues(*ParseJson("{\"value\":\"2\",\"type\":\"DATE\"}"));
  EXPECT_EQ(typed.kind, Value::Kind::kTyped);
  EXPECT_EQ(typed.text, "DATE");
  EXPECT_EQ(EncodeJson(typed), "{\"type\":\"DATE\",\"value\":\"2\"}");
  for (const char* json :
       {"{\"type\":\"A\"}", "{\"type\":1,\"value\":2}", "{\"type\":\"A\",\"value\":1,\"x\":2}"}) {
    EXPECT_EQ(ReadTypedValues(*ParseJson(json)).kind, Value::Kind::kStruct) << json;
  }
  const Value nested = ReadTypedValues(*ParseJson("[{\"type\":\"DATE\",\"value\":\"2\"}]"));
  EXPECT_EQ(nested.items[0].kind, Value::Kind::kTyped);
}

TEST(ReadTypedValues, WhatATypedValueHoldsIsPlain) {
  const Value held = ReadTypedValues(
      *ParseJson(R"json({"type":"STRUCT(type TEXT)","value":{"type":"t","value":5}})json"));
  EXPECT_EQ(held.kind, Value::Kind::kTyped);
  EXPECT_EQ(held.items[0].kind, Value::Kind::kStruct);
}

}  // namespace
}  // namespace eider::protocol
