#include "cmd/query_request.h"

#include <gmock/gmock.h>

namespace eider::cmd {
namespace {

std::string Encoded(const std::vector<std::string>& params) {
  config::QueryOptions options;
  options.cache_mode = "use";
  options.params = params;
  return EncodeQueryRequest(options, "S").ValueOrDie();
}

TEST(QueryRequest, ParametersAreJsonOrText) {
  EXPECT_EQ(Encoded({}), R"({"query":"S"})");
  EXPECT_EQ(Encoded({"5", "s3://b/k", "null", "[1,2]", "\"5\"", "12345678901234567890123"}),
            R"({"query":"S","args":[5,"s3://b/k",null,[1,2],"5",12345678901234567890123]})");
  EXPECT_EQ(Encoded({"a=1", "b=x=y"}), R"({"query":"S","args":{"a":1,"b":"x=y"}})");
  EXPECT_EQ(Encoded({"s3://b/k=v"}), R"({"query":"S","args":["s3://b/k=v"]})");
}

TEST(QueryRequest, NamesWhatIsNotTheDefault) {
  config::QueryOptions options;
  options.cache_mode = "off";
  options.timeout_ms = 1500;
  EXPECT_EQ(EncodeQueryRequest(options, "S").ValueOrDie(),
            R"({"query":"S","cache":"off","timeout_ms":1500})");
}

TEST(QueryRequest, AnExplainedOneSaysWhetherItWrites) {
  config::QueryOptions options;
  options.cache_mode = "use";
  EXPECT_EQ(EncodeExplainRequest(options, "S").ValueOrDie(), R"({"query":"S"})");
  options.write = true;
  EXPECT_EQ(EncodeExplainRequest(options, "S").ValueOrDie(), R"({"query":"S","write":true})");
  EXPECT_EQ(EncodeQueryRequest(options, "S").ValueOrDie(), R"({"query":"S"})");
}

TEST(QueryRequest, RefusesAMixture) {
  config::QueryOptions options;
  options.params = {"1", "a=1"};
  EXPECT_FALSE(EncodeQueryRequest(options, "S").ok());
  options.params = {"a=2", "a=1"};
  EXPECT_FALSE(EncodeQueryRequest(options, "S").ok());
}

}  // namespace
}  // namespace eider::cmd
