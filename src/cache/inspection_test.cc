#include "cache/inspection.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cache/cache_fixture.h"
#include "cache/directory.h"

namespace eider::cache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class InspectionTest : public CacheTest {
 protected:
  // Two versions of one object, and another object.
  std::unique_ptr<BlockCache> OpenFilled() const {
    auto cache = Open();
    Fill(*cache, *cache->Intern("s3://b/z", Version(kBlockBytes + 100, "\"2\"")), 0, kBlockBytes);
    Fill(*cache, *cache->Intern("s3://b/z", Version(kBlockBytes + 100, "\"1\"")), kBlockBytes, 100);
    Fill(*cache, *cache->Intern("s3://b/a", Version(kPageBytes + 1)), 0, kPageBytes + 1);
    return cache;
  }
  void FlipBit(const std::string& file, int64_t offset) const {
    std::fstream stream(Path(file), std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(offset);
    const int byte = stream.get();
    stream.seekp(offset);
    stream.put(static_cast<char>(byte ^ 1));
  }
};

TEST_F(InspectionTest, ListsWhatIsThereWhileItIsUsed) {
  const auto cache = OpenFilled();
  const auto objects = ListObjects(options_.dir).ValueOrDie();
  ASSERT_EQ(objects.size(), 3u);
  EXPECT_EQ(objects[0].url, "s3://b/a");
  EXPECT_EQ(objects[0].bytes, kPageBytes + 1);
  EXPECT_EQ(objects[0].pages, 2);
  EXPECT_EQ(objects[1].version.etag, "\"2\"");
  EXPECT_EQ(objects[1].blocks, 1);
  EXPECT_EQ(objects[2].version.etag, "\"1\"");
  EXPECT_EQ(objects[2].bytes, 100);
  const DirectoryStats stats = ReadStats(options_.dir).ValueOrDie();
  EXPECT_EQ(stats.urls, 2);
  EXPECT_EQ(stats.versions, 3);
  EXPECT_EQ(stats.blocks, 3);
  EXPECT_EQ(stats.used_bytes, cache->stats().used_bytes);
  EXPECT_GE(stats.disk_bytes, kBlockBytes);
  EXPECT_GT(stats.available_bytes, 0);
}

TEST_F(InspectionTest, VerifyFindsAndDropsWhatIsBad) {
  OpenFilled().reset();
  Verification result = VerifyDirectory(options_.dir).ValueOrDie();
  EXPECT_TRUE(result.good());
  EXPECT_EQ(result.blocks, 3);
  EXPECT_EQ(result.pages, 67);
  FlipBit("data", 3 * kPageBytes);
  FlipBit("index", 2 * 4096 + 60);
  result = VerifyDirectory(options_.dir).ValueOrDie();
  EXPECT_EQ(result.bad_pages, 1);
  EXPECT_EQ(result.bad_records, 1);
  EXPECT_TRUE(result.dropped);
  EXPECT_THAT(result.findings, ElementsAre("corrupt: s3://b/z \"2\" at byte 49152",
                                           "the record of slot 2 is corrupt"));
  result = VerifyDirectory(options_.dir).ValueOrDie();
  EXPECT_TRUE(result.good()) << "what was bad was dropped";
  EXPECT_EQ(result.pages, 64);
  auto cache = Open();
  EXPECT_EQ(cache->stats().blocks, 2);
  EXPECT_EQ(cache->stats().corrupt_pages, 0);
}

TEST_F(InspectionTest, VerifyOnlyLooksWhileAWorkerUsesIt) {
  const auto cache = OpenFilled();
  FlipBit("data", 3 * kPageBytes);
  for (int i = 0; i < 2; ++i) {
    const Verification result = VerifyDirectory(options_.dir).ValueOrDie();
    EXPECT_EQ(result.bad_pages, 1);
    EXPECT_FALSE(result.dropped);
    EXPECT_THAT(result.not_dropped_why, HasSubstr(std::to_string(getpid())));
  }
}

TEST_F(InspectionTest, ClearsWhatNobodyUses) {
  auto cache = OpenFilled();
  EXPECT_THAT(ClearDirectory(options_.dir).status().message(),
              HasSubstr("in use by process " + std::to_string(getpid())));
  cache.reset();
  EXPECT_EQ(ClearDirectory(options_.dir).ValueOrDie(), 3);
  EXPECT_THAT(ListObjects(options_.dir).ValueOrDie(), IsEmpty());
  EXPECT_EQ(Open()->stats().blocks, 0);
}

TEST_F(InspectionTest, FindsTheDirectoryThatIsMeant) {
  const std::string home = options_.dir;
  EXPECT_THAT(FindCacheDirectory(home).status().message(), HasSubstr(home));
  options_.dir = home + "/worker-0/blocks";
  OpenFilled().reset();
  EXPECT_EQ(FindCacheDirectory(options_.dir).ValueOrDie(), options_.dir);
  EXPECT_EQ(FindCacheDirectory(home + "/worker-0").ValueOrDie(), options_.dir);
  EXPECT_THAT(FindCacheDirectory(home).status().message(),
              HasSubstr("did you mean " + home + "/worker-0?"));
  options_.dir = home;
}

TEST_F(InspectionTest, TouchesNothingOfAnotherFormat) {
  OpenFilled().reset();
  std::ofstream(Path("FORMAT")) << "something else\n";
  const auto size = std::filesystem::file_size(Path("data"));
  EXPECT_FALSE(ListObjects(options_.dir).ok());
  EXPECT_FALSE(VerifyDirectory(options_.dir).ok());
  EXPECT_FALSE(ClearDirectory(options_.dir).ok());
  EXPECT_EQ(std::filesystem::file_size(Path("data")), size);
}

}  // namespace
}  // namespace eider::cache
