#include "protocol/query.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace eider::protocol {
namespace {

TEST(DecodeQuery, ThePrototypesBody) {
  const auto query = DecodeQuery(
      R"({"buckets": ["s3://b/k"], "query": "SELECT * FROM read_parquet(?);", "args": ["s3://b/k"]})",
      false);
  ASSERT_TRUE(query.ok()) << query.status();
  EXPECT_EQ(query->sql, "SELECT * FROM read_parquet(?);");
  EXPECT_EQ(query->files, std::vector<std::string>{"s3://b/k"});
  ASSERT_EQ(query->arguments.positional.size(), 1u);
  EXPECT_EQ(query->arguments.positional[0].text, "s3://b/k");
  EXPECT_FALSE(query->write);
}

TEST(DecodeQuery, OptionsAndNamedArguments) {
  const auto query = DecodeQuery(
      R"({"query": "SELECT $a", "args": {"a": {"type": "DATE", "value": "2025-05-01"}},
          "cache": "off", "timeout_ms": 1000, "priority": -3, "buckets": null})",
      true);
  ASSERT_TRUE(query.ok()) << query.status();
  EXPECT_EQ(query->cache_mode, CacheMode::kOff);
  EXPECT_EQ(query->timeout_ms, 1000);
  EXPECT_EQ(query->priority, -3);
  EXPECT_TRUE(query->write);
  ASSERT_EQ(query->arguments.named.size(), 1u);
  EXPECT_EQ(query->arguments.named[0].second.kind, Value::Kind::kTyped);
}

// Each bad body names the field that is not right.
TEST(DecodeQuery, NamesTheField) {
  const std::pair<const char*, const char*> cases[] = {
      {"[]", "JSON object"},
      {"{}", "`query`"},
      {R"({"query": 5})", "`query`"},
      {R"({"query": "x", "args": "y"})", "`args`"},
      {R"({"query": "x", "buckets": "y"})", "`buckets`"},
      {R"({"query": "x", "buckets": [1]})", "`buckets`"},
      {R"({"query": "x", "cache": "maybe"})", "cache mode"},
      {R"({"query": "x", "timeout_ms": -1})", "`timeout_ms`"},
      {R"({"query": "x", "timeout_ms": 99999999999999999999})", "`timeout_ms`"},
      {R"({"query": "x", "timeout_ms": 9223372036854775807})", "`timeout_ms`"},
      {R"({"query": "x", "priority": 11})", "`priority`"},
      {R"({"query": "x", "qurey": 1})", "`qurey`"},
  };
  for (const auto& [body, named] : cases) {
    const auto query = DecodeQuery(body, false);
    ASSERT_FALSE(query.ok()) << body;
    EXPECT_EQ(base::ErrorOf(query.status()).code, base::ErrorCode::kInvalidQuery);
    EXPECT_NE(query.status().message().find(named), std::string::npos) << query.status();
  }
}

TEST(DecodeQuery, RepeatsLittleOfWhatItRefuses) {
  const std::string body = R"({"query": "x", ")" + std::string(1'000'000, 'a') + R"(": 1})";
  EXPECT_LT(DecodeQuery(body, false).status().message().size(), 200u);
}

TEST(Arguments, RoundTrip) {
  Arguments named;
  named.named.emplace_back("type", Value::String("A"));
  named.named.emplace_back("value", Value::Integer(1));
  EXPECT_EQ(*DecodeArguments(*ParseJson(EncodeJson(EncodeArguments(named)))), named);
  EXPECT_EQ(*DecodeArguments(EncodeArguments({})), Arguments{});
}

}  // namespace
}  // namespace eider::protocol
