#include "cache/block_cache.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cache/cache_fixture.h"
#include "cache/format.h"
#include "config/limits.h"

namespace eider::cache {
namespace {

using ::testing::HasSubstr;

class BlockCacheTest : public CacheTest {};

TEST_F(BlockCacheTest, GivesBackWhatItTook) {
  auto cache = Open();
  const auto object = cache->Intern("s3://b/a", Version(3 * kBlockBytes + 1000));
  EXPECT_EQ(cache->Pages(*object, 0), 0u);
  EXPECT_FALSE(ReadIs(*cache, *object, 0, 10));
  Fill(*cache, *object, 0, kBlockBytes);
  Fill(*cache, *object, kBlockBytes + 5 * kPageBytes, 2 * kPageBytes);
  Fill(*cache, *object, 3 * kBlockBytes, 1000);
  EXPECT_EQ(cache->Pages(*object, 0), ~uint64_t{0});
  EXPECT_EQ(cache->Pages(*object, 1), uint64_t{0b1100000});
  EXPECT_EQ(cache->Pages(*object, 2), 0u);
  EXPECT_EQ(cache->Pages(*object, 3), 1u);
  EXPECT_TRUE(ReadIs(*cache, *object, 0, kBlockBytes));
  EXPECT_TRUE(ReadIs(*cache, *object, 12345, 54321));
  EXPECT_TRUE(ReadIs(*cache, *object, kBlockBytes + 5 * kPageBytes + 1, 2 * kPageBytes - 1));
  EXPECT_FALSE(ReadIs(*cache, *object, kBlockBytes + 5 * kPageBytes - 1, 2));
  EXPECT_TRUE(ReadIs(*cache, *object, 3 * kBlockBytes + 999, 1));
  const BlockCacheStats stats = cache->stats();
  EXPECT_EQ(stats.blocks, 3);
  EXPECT_EQ(stats.objects, 1);
  EXPECT_EQ(stats.used_bytes, 67 * kPageBytes);
}

TEST_F(BlockCacheTest, TakesWholePagesOfOneBlockOnly) {
  auto cache = Open();
  const auto object = cache->Intern("s3://b/a", Version(2 * kBlockBytes));
  Fill(*cache, *object, 1, kPageBytes);
  Fill(*cache, *object, 0, kPageBytes + 1);
  Fill(*cache, *object, kBlockBytes - kPageBytes, 2 * kPageBytes);
  Fill(*cache, *object, 0, 0);
  EXPECT_EQ(cache->stats().blocks, 0);
  std::vector<uint8_t> out(2);
  EXPECT_FALSE(cache->Read(*object, -1, out));
  EXPECT_FALSE(cache->Read(*object, 2 * kBlockBytes - 1, out));
  EXPECT_FALSE(cache->Read(*object, kBlockBytes - 1, out));
}

TEST_F(BlockCacheTest, PagesAreAddedToABlock) {
  auto cache = Open();
  const auto object = cache->Intern("s3://b/a", Version(kBlockBytes));
  for (const int page : {3, 1, 2, 63}) Fill(*cache, *object, page * kPageBytes, kPageBytes);
  // What is there is left alone.
  std::vector<uint8_t> other(4 * kPageBytes, 0xEE);
  cache->Write(*object, 0, other);
  EXPECT_TRUE(ReadIs(*cache, *object, kPageBytes, 3 * kPageBytes));
  EXPECT_EQ(cache->Pages(*object, 0), uint64_t{1} << 63 | 0b1111);
  cache = Reopen(std::move(cache));
  const auto again = cache->Find("s3://b/a");
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(cache->Pages(*again, 0), uint64_t{1} << 63 | 0b1111);
  EXPECT_TRUE(ReadIs(*cache, *again, kPageBytes, 3 * kPageBytes));
  EXPECT_TRUE(ReadIs(*cache, *again, 63 * kPageBytes, kPageBytes));
}

TEST_F(BlockCacheTest, ARestartKeepsEverything) {
  auto cache = Open();
  for (int i = 0; i < 100; ++i) {
    const auto object = cache->Intern("s3://b/" + std::to_string(i), Version(1000 + i));
    Fill(*cache, *object, 0, 1000 + i);
  }
  cache = Reopen(std::move(cache));
  EXPECT_EQ(cache->stats().blocks, 100);
  EXPECT_EQ(cache->stats().objects, 100);
  EXPECT_EQ(cache->stats().used_bytes, 100 * kPageBytes);
  for (int i = 0; i < 100; ++i) {
    const auto object = cache->Find("s3://b/" + std::to_string(i));
    ASSERT_NE(object, nullptr) << i;
    EXPECT_EQ(object->version(), Version(1000 + i));
    EXPECT_TRUE(ReadIs(*cache, *object, 0, 1000 + i)) << i;
  }
  EXPECT_EQ(cache->Find("s3://b/100"), nullptr);
}

TEST_F(BlockCacheTest, FindsTheVersionUsedLast) {
  auto cache = Open();
  const auto first = cache->Intern("s3://b/a", Version(1000, "\"1\""));
  const auto second = cache->Intern("s3://b/a", Version(1000, "\"2\""));
  EXPECT_NE(first, second);
  EXPECT_EQ(cache->Intern("s3://b/a", Version(1000, "\"1\"")), first);
  EXPECT_EQ(cache->Find("s3://b/a"), nullptr) << "no pages yet";
  Fill(*cache, *second, 0, 1000);
  Fill(*cache, *first, 0, 1000);
  EXPECT_EQ(cache->Find("s3://b/a"), first);
  cache->Intern("s3://b/a", Version(1000, "\"2\""));
  EXPECT_EQ(cache->Find("s3://b/a"), second);
  cache = Reopen(std::move(cache));
  EXPECT_EQ(cache->Find("s3://b/a")->version().etag, "\"1\"") << "written last";
}

TEST_F(BlockCacheTest, StaysWithinItsBudget) {
  options_.budget_bytes = 4 * kBlockBytes;
  auto cache = Open();
  const auto object = cache->Intern("s3://b/a", Version(100 * kBlockBytes));
  for (int i = 0; i < 100; ++i) {
    Fill(*cache, *object, i * kBlockBytes, kBlockBytes);
    EXPECT_LE(cache->stats().used_bytes, options_.budget_bytes);
    EXPECT_TRUE(ReadIs(*cache, *object, i * kBlockBytes, kBlockBytes));
  }
  EXPECT_EQ(cache->stats().evictions, 96);
  EXPECT_LE(DiskUse("data"), options_.budget_bytes + 64 * 1024) << "evicted blocks become holes";
  cache = Reopen(std::move(cache));
  EXPECT_EQ(cache->stats().blocks, 4);
}

TEST_F(BlockCacheTest, ASmallerBudgetKeepsTheLatest) {
  options_.budget_bytes = 64 * kBlockBytes;
  auto cache = Open();
  const auto object = cache->Intern("s3://b/a", Version(64 * kBlockBytes));
  for (int i = 0; i < 64; ++i) Fill(*cache, *object, i * kBlockBytes, kBlockBytes);
  options_.budget_bytes = 8 * kBlockBytes;
  cache = Reopen(std::move(cache));
  EXPECT_EQ(cache->stats().blocks, 8);
  for (int i = 56; i < 64; ++i) {
    EXPECT_TRUE(ReadIs(*cache, *cache->Find("s3://b/a"), i * kBlockBytes, kBlockBytes)) << i;
  }
  EXPECT_LE(DiskUse("data"), options_.budget_bytes + 64 * 1024);
}

TEST_F(BlockCacheTest, ManySmallObjectsAreBoundedBySlots) {
  options_.budget_bytes = 16 * kBlockBytes;
  auto cache = Open();
  for (int i = 0; i < 200; ++i) {
    const auto object = cache->Intern("s3://b/" + std::to_string(i), Version(100));
    Fill(*cache, *object, 0, 100);
    EXPECT_TRUE(ReadIs(*cache, *object, 0, 100));
  }
  EXPECT_EQ(cache->stats().blocks, 64);
}

TEST_F(BlockCacheTest, ATooLongNameIsNotKept) {
  auto cache = Open();
  const auto fits = cache->Intern(std::string(kMaxNameBytes - 4, 'u'), Version(10, "\"ab\""));
  Fill(*cache, *fits, 0, 10);
  EXPECT_TRUE(ReadIs(*cache, *fits, 0, 10));
  const auto longer = cache->Intern(std::string(kMaxNameBytes - 3, 'u'), Version(10, "\"ab\""));
  Fill(*cache, *longer, 0, 10);
  EXPECT_EQ(cache->Pages(*longer, 0), 0u);
  cache = Reopen(std::move(cache));
  EXPECT_NE(cache->Find(std::string(kMaxNameBytes - 4, 'u')), nullptr);
}

TEST_F(BlockCacheTest, DropsOneVersionOnly) {
  auto cache = Open();
  const auto first = cache->Intern("s3://b/a", Version(2 * kBlockBytes, "\"1\""));
  const auto second = cache->Intern("s3://b/a", Version(2 * kBlockBytes, "\"2\""));
  for (const auto& object : {first, second}) {
    for (int i = 0; i < 2; ++i) Fill(*cache, *object, i * kBlockBytes, kBlockBytes);
  }
  cache->Drop(*first);
  EXPECT_FALSE(ReadIs(*cache, *first, 0, 1));
  EXPECT_TRUE(ReadIs(*cache, *second, kBlockBytes, kBlockBytes));
  EXPECT_EQ(cache->Find("s3://b/a"), second);
  // It may be filled again.
  Fill(*cache, *first, 0, kBlockBytes);
  EXPECT_TRUE(ReadIs(*cache, *first, 0, kBlockBytes));
}

TEST_F(BlockCacheTest, ADroppedUrlTakesNoMorePages) {
  auto cache = Open();
  const auto object = cache->Intern("s3://b/dir/a", Version(1000));
  const auto other = cache->Intern("s3://b/other", Version(1000));
  Fill(*cache, *object, 0, 1000);
  Fill(*cache, *other, 0, 1000);
  cache->DropUrl("s3://b/dir/a");
  EXPECT_EQ(cache->Find("s3://b/dir/a"), nullptr);
  Fill(*cache, *object, 0, 1000);  // of a fetch that had begun before
  EXPECT_EQ(cache->Pages(*object, 0), 0u);
  const auto fresh = cache->Intern("s3://b/dir/a", Version(1000));
  EXPECT_NE(fresh, object);
  Fill(*cache, *fresh, 0, 1000);
  EXPECT_TRUE(ReadIs(*cache, *fresh, 0, 1000));
  cache->DropPrefix("s3://b/dir/");
  EXPECT_EQ(cache->Find("s3://b/dir/a"), nullptr);
  EXPECT_TRUE(ReadIs(*cache, *other, 0, 1000));
  cache = Reopen(std::move(cache));
  EXPECT_EQ(cache->stats().blocks, 1);
}

TEST_F(BlockCacheTest, ClearsAndGoesOn) {
  auto cache = Open();
  const auto object = cache->Intern("s3://b/a", Version(4 * kBlockBytes));
  for (int i = 0; i < 4; ++i) Fill(*cache, *object, i * kBlockBytes, kBlockBytes);
  cache->Clear();
  EXPECT_EQ(cache->stats().blocks, 0);
  EXPECT_EQ(cache->stats().objects, 0);
  EXPECT_EQ(cache->stats().used_bytes, 0);
  EXPECT_LE(DiskUse("data"), 64 * 1024);
  Fill(*cache, *object, 0, kBlockBytes);
  EXPECT_TRUE(ReadIs(*cache, *object, 0, kBlockBytes));
  cache = Reopen(std::move(cache));
  EXPECT_EQ(cache->stats().blocks, 1);
}

TEST_F(BlockCacheTest, ObjectsOutliveTheCache) {
  auto cache = Open();
  const auto object = cache->Intern("s3://b/a", Version(1000));
  Fill(*cache, *object, 0, 1000);
  cache.reset();
  EXPECT_EQ(object->url(), "s3://b/a");
}

TEST_F(BlockCacheTest, ReadOnlyLooksAndWritesNothing) {
  auto writer = Open();
  const auto object = writer->Intern("s3://b/a", Version(1000));
  Fill(*writer, *object, 0, 1000);
  options_.read_only = true;
  auto reader = Open();
  const auto found = reader->Find("s3://b/a");
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(ReadIs(*reader, *found, 0, 1000));
  reader->Clear();
  const auto other = reader->Intern("s3://b/b", Version(1000));
  Fill(*reader, *other, 0, 1000);
  EXPECT_EQ(reader->Pages(*other, 0), 0u);
  reader = Open();
  EXPECT_TRUE(ReadIs(*reader, *reader->Find("s3://b/a"), 0, 1000)) << "nothing was cleared on disk";
  options_.dir += "/nothing";
  EXPECT_THAT(BlockCache::Open(options_).status().message(), HasSubstr(options_.dir));
}

}  // namespace
}  // namespace eider::cache
