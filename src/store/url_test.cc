#include "store/url.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace eider::store {
namespace {

TEST(ObjectUrl, EachSchemeNamesBucketAndKey) {
  for (const std::string scheme : {"s3", "s3a", "s3n", "gs", "gcs", "r2"}) {
    const auto url = ParseObjectUrl(scheme + "://my.bucket-1/a=1/b c%20+?#.parquet");
    ASSERT_TRUE(url.ok()) << url.status();
    EXPECT_EQ(url->scheme, scheme);
    EXPECT_EQ(url->object, (ObjectName{"my.bucket-1", "a=1/b c%20+?#.parquet"}));
  }
}

TEST(ObjectUrl, KeysAreTakenAsTheyStand) {
  EXPECT_EQ(ParseObjectUrl("s3://b")->object.key, "");
  EXPECT_EQ(ParseObjectUrl("s3://b/")->object.key, "");
  EXPECT_EQ(ParseObjectUrl("s3://b//k/../x/")->object.key, "/k/../x/");
}

TEST(ObjectUrl, OthersAreRefused) {
  for (const char* url :
       {"", "s3", "s3:/b/k", "S3://b/k", "http://b/k", "file:///x", "s3://", "s3:///k",
        "s3://b@host/k", "s3://b:80/k", "s3://../k", "s3://b?x/k", "s3://b%2f/k"}) {
    const auto parsed = ParseObjectUrl(url);
    ASSERT_FALSE(parsed.ok()) << url;
    EXPECT_EQ(base::ErrorOf(parsed.status()).code, base::ErrorCode::kInvalidQuery);
  }
  EXPECT_FALSE(IsObjectUrl("https://b/k"));
  EXPECT_TRUE(IsObjectUrl("r2://b/k"));
}

TEST(UrlForMessages, LosesWhatMayBeCredentials) {
  EXPECT_EQ(UrlForMessages("https://user:pw@host/p@th?X-Amz-Signature=1#f"), "https://host/p@th");
  EXPECT_EQ(UrlForMessages("https://host"), "https://host");
  EXPECT_EQ(UrlForMessages("s3://b/what?#@"), "s3://b/what?#@");
}

}  // namespace
}  // namespace eider::store
