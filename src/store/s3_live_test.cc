// S3Store against a real server, which checks signatures. Skipped without EIDER_TEST_S3_ENDPOINT;
// tests/integration/test_store_live.py starts a server, fills its bucket `live` and runs these.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "base/error.h"
#include "store/make_store.h"

namespace eider::store {
namespace {

// As put into the bucket, each with its own name as content.
const std::vector<std::string> kOddKeys = {"odd/plain.txt",
                                           "odd/a=1/b=2.parquet",
                                           "odd/with space.txt",
                                           "odd/plus+plus.txt",
                                           "odd/per%20cent%.txt",
                                           "odd/\xC3\xA4\xE2\x82\xAC\xF0\x9F\xA6\x86.txt",
                                           "odd/q?uery&and=amp#hash.txt",
                                           "odd/quote'\"<tag>&amp;.txt",
                                           "odd/(paren)!*~$,;:@.txt"};

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

class S3LiveTest : public testing::Test {
 protected:
  void SetUp() override {
    if (Variable("EIDER_TEST_S3_ENDPOINT").empty()) GTEST_SKIP() << "no EIDER_TEST_S3_ENDPOINT";
    auto access = std::make_shared<Access>();
    access->endpoint = Variable("EIDER_TEST_S3_ENDPOINT");
    access->region = "us-east-1";
    access->key_id = Variable("AWS_ACCESS_KEY_ID");
    access->secret_key = Variable("AWS_SECRET_ACCESS_KEY");
    access->session_token = Variable("AWS_SESSION_TOKEN");
    access->path_style = Variable("EIDER_TEST_S3_STYLE") != "vhost";
    access->ca_file = Variable("EIDER_TEST_S3_CA");
    access->use_ssl = !access->ca_file.empty();
    access->proxy = Variable("EIDER_TEST_S3_PROXY");
    access_ = std::move(access);
    store_ = MakeStore({.jitter_seed = 1});
  }
  GetRequest Request(const std::string& key, Range range) const {
    return {.access = access_, .object = {"live", key}, .url = "s3://live/" + key, .range = range};
  }
  std::shared_ptr<const Access> access_;
  std::shared_ptr<ObjectStore> store_;
};

TEST_F(S3LiveTest, KeysWithOddCharacters) {
  for (const std::string& key : kOddKeys) {
    const auto got = store_->Get(Request(key, Range::Suffix(1024)), {});
    ASSERT_TRUE(got.ok()) << key << ": " << got.status();
    EXPECT_EQ(got->bytes->ToString(), key);
    const auto stat = store_->Stat(Request(key, {}), {});
    ASSERT_TRUE(stat.ok()) << key << ": " << stat.status();
    EXPECT_EQ(*stat, got->version) << key;
  }
}

TEST_F(S3LiveTest, ListsAgreeWithHeads) {
  const auto page = store_->List({.access = access_, .bucket = "live", .prefix = "odd/"}, {});
  ASSERT_TRUE(page.ok()) << page.status();
  std::set<std::string> keys;
  for (const auto& entry : page->entries) {
    keys.insert(entry.key);
    EXPECT_EQ(*store_->Stat(Request(entry.key, {}), {}), entry.version) << entry.key;
  }
  EXPECT_EQ(keys, std::set<std::string>(kOddKeys.begin(), kOddKeys.end()));
}

TEST_F(S3LiveTest, ListsWithDelimiterAndOddPrefix) {
  const auto page =
      store_->List({.access = access_, .bucket = "live", .prefix = "odd/", .delimiter = "/"}, {});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->prefixes, std::vector<std::string>{"odd/a=1/"});
  const auto spaced =
      store_->List({.access = access_, .bucket = "live", .prefix = "odd/with s"}, {});
  ASSERT_TRUE(spaced.ok()) << spaced.status();
  ASSERT_EQ(spaced->entries.size(), 1U);
  EXPECT_EQ(spaced->entries[0].key, "odd/with space.txt");
}

TEST_F(S3LiveTest, ListsPageByPage) {
  ListRequest request{.access = access_, .bucket = "live", .prefix = "many/"};
  std::set<std::string> keys;
  int pages = 0;
  do {
    const auto page = store_->List(request, {});
    ASSERT_TRUE(page.ok()) << page.status();
    for (const auto& entry : page->entries) keys.insert(entry.key);
    request.continuation = page->continuation;
    ++pages;
  } while (!request.continuation.empty());
  EXPECT_EQ(keys.size(), 1200U);
  EXPECT_EQ(pages, 2);
}

TEST_F(S3LiveTest, RangesAndConditions) {
  const auto slice = store_->Get(Request("odd/plain.txt", Range::Slice(4, 5)), {});
  ASSERT_TRUE(slice.ok()) << slice.status();
  EXPECT_EQ(slice->bytes->ToString(), "plain");
  EXPECT_EQ(slice->version.size, 13);
  GetRequest same = Request("odd/plain.txt", Range::Suffix(5));
  same.if_none_match = slice->version.etag;
  EXPECT_EQ(store_->Get(same, {})->outcome, GetResult::Outcome::kNotModified);
  GetRequest other = Request("odd/plain.txt", Range::Suffix(5));
  other.if_match = "\"0123456789abcdef0123456789abcdef\"";
  EXPECT_EQ(store_->Get(other, {})->outcome, GetResult::Outcome::kChanged);
  other.if_match = slice->version.etag;
  EXPECT_EQ(store_->Get(other, {})->bytes->ToString(), "n.txt");
  const auto past = store_->Get(Request("odd/plain.txt", Range::Slice(100, 5)), {});
  ASSERT_TRUE(past.ok()) << past.status();
  EXPECT_EQ(past->version.size, 13);
  const auto empty = store_->Get(Request("empty", Range::Suffix(100)), {});
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_EQ(empty->version.size, 0);
  const auto missing = store_->Get(Request("missing", Range::Suffix(100)), {});
  EXPECT_EQ(base::ErrorOf(missing.status()).code, base::ErrorCode::kNotFound) << missing.status();
}

TEST_F(S3LiveTest, AWrongRegionIsPutRight) {
  auto elsewhere = std::make_shared<Access>(*access_);
  elsewhere->region = "eu-west-1";
  GetRequest request = Request("odd/plain.txt", Range::Suffix(5));
  request.access = elsewhere;
  const auto costs = std::make_shared<Costs>();
  const auto got = store_->Get(request, {.costs = costs});
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->bytes->ToString(), "n.txt");
  EXPECT_EQ(costs->requests, 2);
  EXPECT_TRUE(store_->Stat(request, {.costs = costs}).ok());
  EXPECT_EQ(costs->requests, 3) << "it is known by now";
}

TEST_F(S3LiveTest, WrongSecretIsRefused) {
  auto wrong = std::make_shared<Access>(*access_);
  wrong->secret_key = "wrong";
  GetRequest request = Request("odd/plain.txt", Range::Suffix(5));
  request.access = wrong;
  const auto got = store_->Get(request, {});
  EXPECT_EQ(base::ErrorOf(got.status()).code, base::ErrorCode::kPermissionDenied) << got.status();
}

}  // namespace
}  // namespace eider::store
