#include "rpc/http/request.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace eider::rpc {
namespace {

TEST(RequestTest, OnlyTheNamedTypeAsksForTheStream) {
  EXPECT_TRUE(WantsArrowStream("application/vnd.apache.arrow.stream"));
  EXPECT_TRUE(WantsArrowStream("Application/Vnd.Apache.Arrow.Stream"));
  EXPECT_TRUE(WantsArrowStream("application/json;q=0.5, application/vnd.apache.arrow.stream ;q=1"));
  EXPECT_TRUE(WantsArrowStream("application/vnd.apache.arrow.stream;q=0.1"));
  EXPECT_FALSE(WantsArrowStream("application/vnd.apache.arrow.stream; q=0.0, */*"));
  EXPECT_FALSE(WantsArrowStream("application/vnd.apache.arrow.streams"));
  EXPECT_FALSE(WantsArrowStream("*/*"));
  EXPECT_FALSE(WantsArrowStream(""));
  EXPECT_FALSE(WantsArrowStream(",;,"));
}

TEST(RequestTest, TrailersAreForThoseWhoNameThem) {
  EXPECT_TRUE(TakesTrailers("trailers"));
  EXPECT_TRUE(TakesTrailers("deflate;q=0.5, Trailers"));
  EXPECT_FALSE(TakesTrailers(""));
  EXPECT_FALSE(TakesTrailers("gzip"));
}

TEST(RequestTest, TheClientIsWhoItSaysElseItsAddress) {
  RequestHead head;
  auto query = DecodeQueryRequest(head, R"({"query": "select 1"})", false, "10.0.0.1", 1000);
  ASSERT_TRUE(query.ok()) << query.status();
  EXPECT_EQ(query->client, "10.0.0.1");
  head.client = std::string(1000, 'c');
  query = DecodeQueryRequest(head, R"({"query": "select 1"})", true, "10.0.0.1", 1000);
  ASSERT_TRUE(query.ok()) << query.status();
  EXPECT_EQ(query->client, std::string(kMaxClientBytes, 'c'));
  EXPECT_TRUE(query->write);
}

TEST(RequestTest, SqlHasALimit) {
  const std::string body = R"({"query": ")" + std::string(100, 'x') + R"("})";
  EXPECT_TRUE(DecodeQueryRequest({}, body, false, "", 101).ok());
  const auto refused = DecodeQueryRequest({}, body, false, "", 100);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(base::ErrorOf(refused.status()).code, base::ErrorCode::kInvalidQuery);
}

TEST(RequestTest, ClearCacheTakesOneWorkerOrAll) {
  EXPECT_EQ(DecodeClearCache("").ValueOrDie(), "");
  EXPECT_EQ(DecodeClearCache("{}").ValueOrDie(), "");
  EXPECT_EQ(DecodeClearCache(R"({"worker_location": null})").ValueOrDie(), "");
  EXPECT_EQ(DecodeClearCache(R"({"worker_location": "grpc://h:1"})").ValueOrDie(), "grpc://h:1");
  for (const char* bad : {"[]", "{", R"({"worker_location": 1})", R"({"where": "x"})",
                          R"({"worker_location": ""})"}) {
    EXPECT_FALSE(DecodeClearCache(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace eider::rpc
