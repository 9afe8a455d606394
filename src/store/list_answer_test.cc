#include "store/list_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eider::store {
namespace {

using testing::ElementsAre;

TEST(ListAnswer, AnEncodedPage) {
  const auto page = ParseListAnswer(
      "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>"
      "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
      "<NextContinuationToken>1+x/y==</NextContinuationToken>"
      "<Contents><Key>a%2Bb+c%2525/%C3%A4</Key><LastModified>2026-03-01T12:00:00.750Z</"
      "LastModified>"
      "<ETag>&quot;abc&quot;</ETag><Size>5368709120</Size></Contents>"
      "<CommonPrefixes><Prefix>d%3D1/</Prefix></CommonPrefixes></ListBucketResult>");
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->entries.size(), 1U);
  EXPECT_EQ(page->entries[0].key, "a+b c%25/\xC3\xA4");
  EXPECT_EQ(page->entries[0].version,
            (Version{.size = 5368709120, .etag = "\"abc\"", .last_modified_ms = 1772366400000}));
  EXPECT_THAT(page->prefixes, ElementsAre("d=1/"));
  EXPECT_EQ(page->continuation, "1+x/y==");
}

TEST(ListAnswer, AServerThatDoesNotEncode) {
  const auto page = ParseListAnswer(
      "<ListBucketResult><IsTruncated>false</IsTruncated><NextContinuationToken>no</"
      "NextContinuationToken><Contents><Key>a+b%20&amp;c</Key><ETag>abc</ETag><Size>0</Size>"
      "</Contents></ListBucketResult>");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->entries[0].key, "a+b%20&c");
  EXPECT_EQ(page->entries[0].version.etag, "\"abc\"");
  EXPECT_EQ(page->continuation, "");
}

TEST(ListAnswer, WhatIsNoListIsRefused) {
  for (const char* body :
       {"<Other/>", "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult><CommonPrefixes/></ListBucketResult>",
        "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%G0</Key><Size>1</Size>"
        "</Contents></ListBucketResult>"}) {
    EXPECT_FALSE(ParseListAnswer(body).ok()) << body;
  }
}

TEST(ListAnswer, Times) {
  EXPECT_EQ(ParseListTimeMs("1970-01-01T00:00:01Z"), 1000);
  EXPECT_EQ(ParseListTimeMs("2024-02-29T23:59:59.999999Z"), 1709251199000);
  for (const char* text : {"", "2023-02-29T00:00:00Z", "2024-01-01T00:00:00", "yesterday"}) {
    EXPECT_EQ(ParseListTimeMs(text), 0) << text;
  }
}

}  // namespace
}  // namespace eider::store
