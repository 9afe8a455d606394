#include "rpc/http/response.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace eider::rpc {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Pair;

TEST(ResponseTest, AnErrorIsItsCodesStatusAndTheJsonOfTheApi) {
  const Response response =
      ErrorResponse(base::MakeError(base::ErrorCode::kNotFound, "no such bucket"));
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.body, R"({"code":"NOT_FOUND","error":"no such bucket","retryable":false})");
  EXPECT_TRUE(response.headers.empty());
}

TEST(ResponseTest, OverloadedSaysWhenToComeBackInWholeSeconds) {
  base::ErrorInfo info{.code = base::ErrorCode::kOverloaded,
                       .message = "full",
                       .retryable = true,
                       .retry_after_ms = std::nullopt};
  EXPECT_THAT(ErrorResponse(base::MakeError(info)).headers, Contains(Pair("Retry-After", "1")));
  info.retry_after_ms = 1'001;
  EXPECT_THAT(ErrorResponse(base::MakeError(info)).headers, Contains(Pair("Retry-After", "2")));
}

TEST(ResponseTest, AMissNamesWhatIsAllowed) {
  const Response response = MissResponse({405, "/read takes POST, not GET", "POST"});
  EXPECT_EQ(response.status, 405);
  EXPECT_THAT(response.headers, ElementsAre(Pair("Allow", "POST")));
}

TEST(ResponseTest, AHeadHasLengthOrIsChunked) {
  EXPECT_EQ(FormatHead(200, "text/plain", {{"X-A", "b"}}, {.content_length = 5}),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nX-A: b\r\n\r\n");
  EXPECT_EQ(FormatHead(200, "t/t", {}, {.content_length = std::nullopt, .close = true}),
            "HTTP/1.1 200 OK\r\nContent-Type: t/t\r\nTransfer-Encoding: chunked\r\n"
            "Connection: close\r\n\r\n");
}

TEST(ResponseTest, AValueCannotMakeAHeaderOfItsOwn) {
  const std::string head = FormatHead(200, "t/t", {{"X-A", "b\r\nX-Evil: 1"}}, {});
  EXPECT_EQ(head.find("\r\nX-Evil"), std::string::npos);
}

TEST(ResponseTest, ChunkSizesAreHexadecimal) { EXPECT_EQ(ChunkHead(31), "1f\r\n"); }

TEST(ResponseTest, ABodyEndsWithItsTrailers) {
  EXPECT_EQ(LastChunk({}), "0\r\n\r\n");
  EXPECT_EQ(LastChunk({{"X-A", "1"}}), "0\r\nX-A: 1\r\n\r\n");
}

TEST(ResponseTest, EachFigureIsAnnounced) {
  const protocol::Figures figures{.s3_bytes = 5, .cost_nanousd = 1'234'567'890};
  std::string names;
  for (const auto& [name, value] : FigureHeaders(figures)) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  EXPECT_EQ(names, FigureNames());
  EXPECT_THAT(FigureHeaders(figures), Contains(Pair("X-Eider-S3-Bytes", "5")));
  EXPECT_THAT(FigureHeaders(figures), Contains(Pair("X-Eider-Cost-Usd", "1.234567890")));
}

TEST(ResponseTest, TheHeadersOfAQuerySayWhereItRanAndWhy) {
  const coordinator::ClaimInfo claim{.query_id = "q1",
                                     .worker_id = "w1",
                                     .location = "",
                                     .reason = "home rank 0",
                                     .queue_ms = 3,
                                     .ticket = ""};
  EXPECT_THAT(QueryHeaders("q1", claim),
              ElementsAre(Pair("X-Eider-Query-Id", "q1"), Pair("X-Eider-Worker", "w1"),
                          Pair("X-Eider-Reason", "home rank 0"), Pair("X-Eider-Queue-Ms", "3")));
  EXPECT_THAT(QueryHeaders("q1", std::nullopt), ElementsAre(Pair("X-Eider-Query-Id", "q1")));
}

}  // namespace
}  // namespace eider::rpc
