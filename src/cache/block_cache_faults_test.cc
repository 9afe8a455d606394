// What a disk, a crash or a person may do to a cache directory.
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/clock.h"
#include "base/error.h"
#include "cache/cache_fixture.h"
#include "cache/format.h"
#include "config/limits.h"

namespace eider::cache {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

// While it lives, this process's writes fail past so many bytes of a file.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = old_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_{};
  void (*old_handler_)(int) = nullptr;
};

class BlockCacheFaults : public CacheTest {
 protected:
  void Overwrite(const std::string& file, int64_t offset, const std::string& bytes) const {
    std::fstream stream(Path(file), std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(offset);
    stream << bytes;
    stream.close();
    ASSERT_TRUE(stream) << Path(file);
  }
  std::string Contents(const std::string& file) const {
    std::ifstream stream(Path(file), std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
};

TEST_F(BlockCacheFaults, TwoProcessesOnOneDirectory) {
  auto cache = Open();
  const arrow::Status second = BlockCache::Open(options_).status();
  EXPECT_EQ(base::ErrorOf(second).code, base::ErrorCode::kInvalidQuery);
  EXPECT_THAT(second.message(), HasSubstr("is in use by process " + std::to_string(getpid())));
  EXPECT_THAT(second.message(), HasSubstr(options_.dir));
  cache.reset();
  EXPECT_TRUE(BlockCache::Open(options_).ok());
}

TEST_F(BlockCacheFaults, ANewerFormatIsRefusedAndAnUnknownOneCleared) {
  auto cache = Open();
  Fill(*cache, *cache->Intern("s3://b/a", Version(1000)), 0, 1000);
  cache.reset();
  std::ofstream(Path("FORMAT")) << "eider-blocks 2\n";
  const arrow::Status refused = BlockCache::Open(options_).status();
  EXPECT_THAT(refused.message(), HasSubstr("is of format 2, made by a newer eider"));
  std::ofstream(Path("FORMAT")) << "eider-blocks 1\n";
  EXPECT_EQ(Open()->stats().blocks, 1) << "nothing was lost";
  for (const char* unknown : {"eider-blocks 0\n", "garbage", "", "eider-blocks 1x"}) {
    cache = Open();
    Fill(*cache, *cache->Intern("s3://b/a", Version(1000)), 0, 1000);
    EXPECT_EQ(cache->stats().blocks, 1);
    cache.reset();
    std::ofstream(Path("FORMAT")) << unknown;
    EXPECT_EQ(Open()->stats().blocks, 0) << unknown;
  }
}

TEST_F(BlockCacheFaults, ADirectoryThatCannotBeUsed) {
  BlockCache::Options options = options_;
  options.dir = "/dev/null/x";
  EXPECT_THAT(BlockCache::Open(options).status().message(), HasSubstr("/dev/null/x"));
}

TEST_F(BlockCacheFaults, AFlippedBitIsFoundOnceAndOnlyThatPageGoes) {
  auto cache = Open();
  const auto object = cache->Intern("s3://b/a", Version(kBlockBytes));
  Fill(*cache, *object, 0, kBlockBytes);
  cache.reset();
  const char flipped = static_cast<char>(Contents("data")[5 * kPageBytes + 77] ^ 4);
  Overwrite("data", 5 * kPageBytes + 77, std::string(1, flipped));
  cache = Open();
  const auto again = cache->Find("s3://b/a");
  ASSERT_NE(again, nullptr);
  EXPECT_FALSE(ReadIs(*cache, *again, 0, kBlockBytes));
  EXPECT_EQ(cache->stats().corrupt_pages, 1);
  EXPECT_EQ(cache->Pages(*again, 0), ~(uint64_t{1} << 5));
  EXPECT_EQ(cache->stats().used_bytes, 63 * kPageBytes);
  EXPECT_TRUE(ReadIs(*cache, *again, 6 * kPageBytes, 58 * kPageBytes));
  cache = Reopen(std::move(cache));
  const auto third = cache->Find("s3://b/a");
  EXPECT_EQ(cache->Pages(*third, 0), ~(uint64_t{1} << 5)) << "it stays away";
  Fill(*cache, *third, 5 * kPageBytes, kPageBytes);
  EXPECT_TRUE(ReadIs(*cache, *third, 0, kBlockBytes));
}

TEST_F(BlockCacheFaults, ADataFileCutShort) {
  auto cache = Open();
  const auto object = cache->Intern("s3://b/a", Version(2 * kBlockBytes));
  for (int i = 0; i < 2; ++i) Fill(*cache, *object, i * kBlockBytes, kBlockBytes);
  // Under its feet, and then before a start.
  fs::resize_file(Path("data"), kBlockBytes + 3 * kPageBytes + 1);
  EXPECT_FALSE(ReadIs(*cache, *object, kBlockBytes, kBlockBytes));
  EXPECT_TRUE(ReadIs(*cache, *object, 0, kBlockBytes));
  Fill(*cache, *object, kBlockBytes, kBlockBytes);
  EXPECT_TRUE(ReadIs(*cache, *object, kBlockBytes, kBlockBytes));
  cache.reset();
  fs::resize_file(Path("data"), kBlockBytes + 3 * kPageBytes + 1);
  cache = Open();
  const auto again = cache->Find("s3://b/a");
  EXPECT_TRUE(ReadIs(*cache, *again, 0, kBlockBytes));
  EXPECT_TRUE(ReadIs(*cache, *again, kBlockBytes, 3 * kPageBytes));
  EXPECT_FALSE(ReadIs(*cache, *again, kBlockBytes + 3 * kPageBytes, 1));
}

TEST_F(BlockCacheFaults, AnIndexOfGarbageNeverServesGarbage) {
  std::mt19937 random(7);
  for (int round = 0; round < 40; ++round) {
    {
      auto cache = Open();
      for (int i = 0; i < 8; ++i) {
        const auto object = cache->Intern("s3://b/" + std::to_string(i), Version(3 * kPageBytes));
        Fill(*cache, *object, 0, 3 * kPageBytes);
      }
    }
    const auto size = static_cast<int64_t>(fs::file_size(Path("index")));
    for (int i = 0; i < 4; ++i) {
      std::string bytes(random() % 700, '\0');
      for (char& c : bytes) c = static_cast<char>(random());
      Overwrite("index", static_cast<int64_t>(random() % size), bytes);
    }
    if (round % 3 == 0) fs::resize_file(Path("index"), random() % size);
    auto cache = Open();
    int here = 0;
    for (int i = 0; i < 8; ++i) {
      const auto object = cache->Find("s3://b/" + std::to_string(i));
      if (object != nullptr && ReadIs(*cache, *object, 0, 3 * kPageBytes)) ++here;
    }
    EXPECT_LT(here, 9);
    const auto fresh = cache->Intern("s3://b/fresh", Version(kBlockBytes));
    Fill(*cache, *fresh, 0, kBlockBytes);
    EXPECT_TRUE(ReadIs(*cache, *fresh, 0, kBlockBytes)) << "it works on";
    cache->Clear();
  }
}

TEST_F(BlockCacheFaults, AnIndexCutUnderItsFeet) {
  auto cache = Open();
  const auto object = cache->Intern("s3://b/a", Version(kBlockBytes));
  Fill(*cache, *object, 0, kPageBytes);
  fs::resize_file(Path("index"), 0);
  Fill(*cache, *object, kPageBytes, kPageBytes);
  EXPECT_TRUE(ReadIs(*cache, *object, 0, 2 * kPageBytes));
  EXPECT_EQ(cache->stats().disabled_why, "");
  cache = Reopen(std::move(cache));
  EXPECT_EQ(cache->stats().blocks, 0);
}

TEST_F(BlockCacheFaults, AFailingWriteTurnsWritingOffForAWhile) {
  base::ManualClock clock;
  options_.clock = &clock;
  auto cache = Open();
  const auto object = cache->Intern("s3://b/a", Version(4 * kBlockBytes));
  Fill(*cache, *object, 0, kPageBytes);
  {
    // From here on a write past the first two pages of a file fails, with EFBIG.
    const FileSizeLimit limit(2 * kPageBytes);
    Fill(*cache, *object, kPageBytes, 3 * kPageBytes);
    Fill(*cache, *object, kBlockBytes, kBlockBytes);
    EXPECT_EQ(cache->stats().write_failures, 1);
    EXPECT_THAT(cache->stats().disabled_why, HasSubstr("File too large"));
    EXPECT_EQ(cache->Pages(*object, 0), 1u);
    EXPECT_TRUE(ReadIs(*cache, *object, 0, kPageBytes));
    clock.Advance(config::kCacheWriteRetryMs);
    Fill(*cache, *object, kBlockBytes, kBlockBytes);
    EXPECT_EQ(cache->stats().write_failures, 2) << "it was tried again";
    EXPECT_EQ(cache->stats().blocks, 1);
    EXPECT_EQ(cache->stats().used_bytes, kPageBytes);
  }
  clock.Advance(config::kCacheWriteRetryMs);
  Fill(*cache, *object, kBlockBytes, kBlockBytes);
  EXPECT_TRUE(ReadIs(*cache, *object, kBlockBytes, kBlockBytes));
  EXPECT_EQ(cache->stats().disabled_why, "");
}

// On a file system of its own, of a few megabytes.
class BlockCacheOnTmpfs : public BlockCacheFaults {
 protected:
  void SetUp() override {
    CacheTest::SetUp();
    mount_point_ = options_.dir + ".mount";
    fs::create_directories(mount_point_);
    // What a killed run has left.
    while (umount2(mount_point_.c_str(), MNT_DETACH) == 0) {
    }
    if (mount("tmpfs", mount_point_.c_str(), "tmpfs", 0, "size=8m") != 0) {
      GTEST_SKIP() << "a tmpfs cannot be mounted here: " << std::strerror(errno);
    }
    mounted_ = true;
    options_.dir = mount_point_ + "/blocks";
    options_.clock = &clock_;
  }
  void TearDown() override {
    if (mounted_) umount2(mount_point_.c_str(), MNT_DETACH);
    fs::remove_all(mount_point_);
  }
  bool Remount(unsigned long flags) const {
    return mount(nullptr, mount_point_.c_str(), nullptr, MS_REMOUNT | flags, "size=8m") == 0;
  }
  // Fills the disk with a file of somebody else's.
  void TakeAllSpace() const {
    std::ofstream file(mount_point_ + "/other", std::ios::binary);
    const std::string chunk(64 * 1024, 'x');
    while (file << chunk << std::flush) {
    }
  }

  base::ManualClock clock_;
  std::string mount_point_;
  bool mounted_ = false;
};

TEST_F(BlockCacheOnTmpfs, TheReserveIsKeptByEvicting) {
  options_.reserve_percent = 25;
  auto cache = Open();
  const auto object = cache->Intern("s3://b/a", Version(100 * kBlockBytes));
  for (int i = 0; i < 100; ++i) {
    Fill(*cache, *object, i * kBlockBytes, kBlockBytes);
    EXPECT_TRUE(ReadIs(*cache, *object, i * kBlockBytes, kBlockBytes)) << i;
  }
  EXPECT_GE(fs::space(mount_point_).available, 2u * 1024 * 1024 - 64 * 1024);
  EXPECT_GT(cache->stats().evictions, 80);
  EXPECT_EQ(cache->stats().write_failures, 0);
  EXPECT_EQ(cache->stats().disabled_why, "");
}

TEST_F(BlockCacheOnTmpfs, AFullDiskTurnsWritingOffUntilThereIsRoom) {
  auto cache = Open();
  const auto object = cache->Intern("s3://b/a", Version(100 * kBlockBytes));
  Fill(*cache, *object, 0, kBlockBytes);
  clock_.Advance(10'000);
  Fill(*cache, *object, kBlockBytes, kPageBytes);
  TakeAllSpace();
  // The space was looked at a moment ago: the write itself finds it full.
  Fill(*cache, *object, 2 * kBlockBytes, kBlockBytes);
  EXPECT_EQ(cache->stats().write_failures, 1);
  EXPECT_THAT(cache->stats().disabled_why, HasSubstr("No space left"));
  EXPECT_FALSE(ReadIs(*cache, *object, 2 * kBlockBytes, 1));
  EXPECT_TRUE(ReadIs(*cache, *object, 0, kBlockBytes)) << "what is there is read on";
  Fill(*cache, *object, 3 * kBlockBytes, kBlockBytes);
  EXPECT_EQ(cache->stats().write_failures, 1) << "nothing is tried meanwhile";
  EXPECT_TRUE(fs::remove(mount_point_ + "/other"));
  clock_.Advance(config::kCacheFullRetryMs);
  Fill(*cache, *object, 2 * kBlockBytes, kBlockBytes);
  EXPECT_TRUE(ReadIs(*cache, *object, 2 * kBlockBytes, kBlockBytes));
  EXPECT_EQ(cache->stats().disabled_why, "");
  cache = Reopen(std::move(cache));
  EXPECT_EQ(cache->stats().blocks, 3);
}

TEST_F(BlockCacheOnTmpfs, WhereOthersFillTheDiskItGivesUpItsOwnAndStops) {
  options_.reserve_percent = 5;
  auto cache = Open();
  const auto object = cache->Intern("s3://b/a", Version(100 * kBlockBytes));
  for (int i = 0; i < 4; ++i) Fill(*cache, *object, i * kBlockBytes, kBlockBytes);
  EXPECT_EQ(cache->stats().blocks, 4);
  TakeAllSpace();
  clock_.Advance(config::kCacheSpaceCheckMs);
  Fill(*cache, *object, 5 * kBlockBytes, kBlockBytes);
  EXPECT_TRUE(ReadIs(*cache, *object, 5 * kBlockBytes, kBlockBytes)) << "in place of its own";
  EXPECT_LT(cache->stats().blocks, 4);
  cache->Clear();
  TakeAllSpace();
  clock_.Advance(config::kCacheSpaceCheckMs);
  Fill(*cache, *object, 6 * kBlockBytes, kBlockBytes);
  EXPECT_THAT(cache->stats().disabled_why, HasSubstr("less than 5% free"));
}

TEST_F(BlockCacheOnTmpfs, AReadOnlyDirectory) {
  auto cache = Open();
  Fill(*cache, *cache->Intern("s3://b/a", Version(kBlockBytes)), 0, kBlockBytes);
  cache.reset();
  ASSERT_TRUE(Remount(MS_RDONLY)) << std::strerror(errno);
  EXPECT_THAT(BlockCache::Open(options_).status().message(), HasSubstr("cannot be written"));
  options_.read_only = true;
  cache = Open();
  EXPECT_TRUE(ReadIs(*cache, *cache->Find("s3://b/a"), 0, kBlockBytes));
}

TEST_F(BlockCacheOnTmpfs, AStartOnAFullDiskKeepsWhatIsThere) {
  auto cache = Open();
  Fill(*cache, *cache->Intern("s3://b/a", Version(1000)), 0, 1000);
  cache.reset();
  TakeAllSpace();
  cache = Open();
  EXPECT_TRUE(ReadIs(*cache, *cache->Find("s3://b/a"), 0, 1000));
}

}  // namespace
}  // namespace eider::cache
