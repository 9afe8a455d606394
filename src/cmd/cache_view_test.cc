#include "cmd/cache_view.h"

#include <gmock/gmock.h>

namespace eider::cmd {
namespace {

using ::testing::HasSubstr;

const std::vector<cache::CachedObject> kObjects = {
    {.url = "s3://b/a.parquet",
     .version = {.size = 1'234'567, .etag = "\"e\"", .last_modified_ms = 5},
     .blocks = 1,
     .pages = 2,
     .bytes = 32'768}};

TEST(CacheView, Objects) {
  const std::string text = ObjectsText(kObjects, 0);
  EXPECT_THAT(text, HasSubstr("│ s3://b/a.parquet │ 1,234,567 │ \"e\"  │     2 │ 32,768 │"));
  EXPECT_THAT(text, HasSubstr("1 object, 32,768 bytes of them here"));
  EXPECT_EQ(protocol::EncodeJson(ObjectsValue(kObjects)),
            R"({"objects":[{"url":"s3://b/a.parquet","size":1234567,"etag":"\"e\"",)"
            R"("last_modified_ms":5,"blocks":1,"pages":2,"bytes":32768}]})");
}

TEST(CacheView, Stats) {
  const cache::DirectoryStats stats = {.urls = 1, .versions = 2, .used_bytes = 16'384};
  EXPECT_THAT(StatsText(stats), HasSubstr("objects     1 (2 versions)\n"));
  EXPECT_THAT(StatsText(stats), HasSubstr("16,384 bytes, as --cache-size counts them"));
  EXPECT_THAT(protocol::EncodeJson(StatsValue(stats)), HasSubstr("\"used_bytes\":16384"));
}

TEST(CacheView, VerificationSaysWhatIsBadAndWhatBecameOfIt) {
  cache::Verification result{.blocks = 2, .pages = 70, .dropped = true};
  EXPECT_EQ(VerificationText(result),
            "70 pages in 2 blocks: 70 good, 0 corrupt; 0 corrupt records\n");
  result.bad_pages = 1;
  result.findings = {"corrupt: s3://b/a"};
  EXPECT_THAT(VerificationText(result), HasSubstr("corrupt: s3://b/a\n70 pages"));
  EXPECT_THAT(VerificationText(result), HasSubstr("was dropped"));
  EXPECT_THAT(protocol::EncodeJson(VerificationValue(result)), HasSubstr("\"dropped\":true"));
  result.dropped = false;
  result.not_dropped_why = "in use by process 7";
  EXPECT_THAT(VerificationText(result), HasSubstr("nothing was dropped (in use by process 7)"));
}

}  // namespace
}  // namespace eider::cmd
