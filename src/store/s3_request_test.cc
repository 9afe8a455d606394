#include "store/s3_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/http_head.h"
#include "store/percent.h"

namespace eider::store {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

GetRequest RequestFor(Access access) {
  return {.access = std::make_shared<const Access>(std::move(access)),
          .object = {"bucket", "a=1/x y"},
          .range = Range::Slice(10, 5)};
}

TEST(S3Request, PathAndVirtualHostStyle) {
  EXPECT_EQ(ObjectGet(RequestFor({.endpoint = "h:9000", .path_style = true, .use_ssl = false})).url,
            "http://h:9000/bucket/a%3D1/x%20y");
  EXPECT_EQ(ObjectGet(RequestFor({.endpoint = "s3.amazonaws.com"})).url,
            "https://bucket.s3.amazonaws.com/a%3D1/x%20y");
  const auto access = std::make_shared<const Access>(Access{.endpoint = "s3.amazonaws.com"});
  EXPECT_EQ(BucketList({.access = access, .bucket = "bucket"}).url,
            "https://bucket.s3.amazonaws.com/?encoding-type=url&list-type=2&max-keys=1000");
}

TEST(S3Request, HeadersOfAGet) {
  GetRequest request = RequestFor({.endpoint = "h", .key_id = "K", .session_token = "T"});
  request.if_match = "\"v\"";
  const auto headers = ObjectGet(request).headers;
  EXPECT_THAT(headers, Contains("Range: bytes=10-14"));
  EXPECT_THAT(headers, Contains("If-Match: \"v\""));
  EXPECT_THAT(headers, Contains("x-amz-security-token: T"));
  EXPECT_THAT(ObjectHead(request).headers, Not(Contains(HasSubstr("Range"))));
}

TEST(S3Request, WhoPaysIsSaidToThoseWhoKnowWhoAsks) {
  constexpr char kPays[] = "x-amz-request-payer: requester";
  const auto access = std::make_shared<const Access>(
      Access{.endpoint = "h", .key_id = "K", .requester_pays = true});
  EXPECT_THAT(ObjectGet(RequestFor(*access)).headers, Contains(kPays));
  EXPECT_THAT(ObjectHead(RequestFor(*access)).headers, Contains(kPays));
  EXPECT_THAT(BucketList({.access = access, .bucket = "b"}).headers, Contains(kPays));
  EXPECT_THAT(ObjectGet(RequestFor({.endpoint = "h", .requester_pays = true})).headers,
              Not(Contains(kPays)));
  EXPECT_THAT(ObjectGet(RequestFor({.endpoint = "h", .key_id = "K"})).headers,
              Not(Contains(kPays)));
}

TEST(S3Request, ABearerTokenStandsInForASignature) {
  const Access access{.endpoint = "h", .key_id = "K", .bearer_token = "T0k"};
  EXPECT_FALSE(IsSigned(access));
  EXPECT_FALSE(IsAnonymous(access));
  EXPECT_THAT(ObjectGet(RequestFor(access)).headers, Contains("Authorization: Bearer T0k"));
  const Access web{.endpoint = "h", .bearer_token = "T0k", .plain_http = true};
  EXPECT_THAT(ObjectGet(RequestFor(web)).headers, Not(Contains(HasSubstr("Authorization"))));
}

TEST(S3Request, OnlyStrongETagsBecomeConditions) {
  for (const std::string& tag : {std::string("W/\"v\""), TagOfTime(1000, 5)}) {
    GetRequest request = RequestFor({.endpoint = "h"});
    request.if_match = tag;
    EXPECT_THAT(ObjectGet(request).headers, Not(Contains(HasSubstr("If-Match")))) << tag;
  }
  EXPECT_EQ(TagOfTime(0, 5), "");
  EXPECT_NE(TagOfTime(1000, 5), TagOfTime(1000, 6));
}

TEST(Percent, EncodesAllButTheUnreserved) {
  EXPECT_EQ(EncodePath("aZ9-._~/ +%=&?#\xC3\xA4*'()!"),
            "aZ9-._~/%20%2B%25%3D%26%3F%23%C3%A4%2A%27%28%29%21");
  EXPECT_EQ(EncodeQuery("a/b"), "a%2Fb");
  EXPECT_EQ(DecodeListed("a+b%2Bc%2fd"), "a b+c/d");
  for (const char* broken : {"%", "%2", "%zz", "a%2"})
    EXPECT_EQ(DecodeListed(broken), std::nullopt);
}

TEST(HttpHead, FieldsThatReadsGoBy) {
  HttpHead head;
  AddHeaderLine("ETag:  \"a:b\" \r\n", head);
  AddHeaderLine("no field\r\n", head);
  EXPECT_EQ(head.Find("etag"), "\"a:b\"");
  EXPECT_EQ(head.Find("other"), "");
  EXPECT_EQ(ParseContentRange("bytes 0-4/10"), (ContentRange{.first = 0, .last = 4, .size = 10}));
  EXPECT_EQ(ParseContentRange("bytes */10"), (ContentRange{.size = 10}));
  for (const char* wrong : {"", "bytes", "bytes 0-10/10", "bytes 5-4/10", "bytes 0-4/*",
                            "bytes -1-4/10", "bytes 0-4/10x", "items 0-4/10"}) {
    EXPECT_EQ(ParseContentRange(wrong), std::nullopt) << wrong;
  }
  EXPECT_EQ(ParseByteCount("+5"), std::nullopt);
  EXPECT_EQ(ParseByteCount("99999999999999999999"), std::nullopt);
  EXPECT_EQ(ParseRetryAfterMs("3", 0), 3000);
  EXPECT_EQ(ParseRetryAfterMs("Thu, 01 Jan 1970 00:01:00 GMT", 20'000), 40'000);
  EXPECT_EQ(ParseRetryAfterMs("Thu, 01 Jan 1970 00:01:00 GMT", 90'000), 0);
  EXPECT_EQ(ParseRetryAfterMs("soon", 0), std::nullopt);
}

}  // namespace
}  // namespace eider::store
