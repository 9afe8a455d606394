// kill -9 in the middle of filling: whatever a start then finds and serves is the content, and most
// of what had been filled is found.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>

#include "cache/cache_fixture.h"

extern char** environ;

namespace eider::cache {
namespace {

constexpr char kDirVariable[] = "EIDER_CRASH_TEST_DIR";
constexpr int kObjects = 6;
constexpr int kKills = 50;

std::string UrlOf(int object) { return "s3://b/" + std::to_string(object); }
std::string EtagOf(int object) { return "\"" + std::to_string(object) + "\""; }
int64_t SizeOf(int object) { return (object + 1) * kBlockBytes + 4'321; }

BlockCache::Options OptionsFor(const std::string& dir) {
  // Of 27 MiB: blocks are evicted and slots reused all the time.
  return {.dir = dir, .budget_bytes = 8 * kBlockBytes, .reserve_percent = 0};
}

// The child, spawned anew as this program with this test alone: fills until it is killed.
TEST(BlockCacheCrash, DISABLED_FillsForEver) {
  const char* dir = std::getenv(kDirVariable);
  if (dir == nullptr) GTEST_SKIP() << "of the test below";
  auto cache = BlockCache::Open(OptionsFor(dir)).ValueOrDie();
  const auto fill = [&](unsigned seed) {
    std::mt19937 random(seed);
    for (;;) {
      const int number = static_cast<int>(random() % kObjects);
      const auto object = cache->Intern(UrlOf(number), Version(SizeOf(number), EtagOf(number)));
      const int64_t block = random() % (number + 2);
      const int64_t end = std::min(kBlockBytes, SizeOf(number) - block * kBlockBytes);
      const int64_t start = random() % ((end + kPageBytes - 1) / kPageBytes) * kPageBytes;
      const int64_t length = std::min<int64_t>(end - start, (1 + random() % 64) * kPageBytes);
      Fill(*cache, *object, block * kBlockBytes + start, length);
      if (random() % 64 == 0) cache->Drop(*object);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned thread = 0; thread < 4; ++thread)
    threads.emplace_back(fill, getpid() * 8u + thread);
  for (std::thread& thread : threads) thread.join();
}

class BlockCacheCrashTest : public CacheTest {
 protected:
  pid_t SpawnFiller() const {
    setenv(kDirVariable, options_.dir.c_str(), 1);
    std::string name = "/proc/self/exe";
    std::string filter = "--gtest_filter=BlockCacheCrash.DISABLED_FillsForEver";
    std::string also = "--gtest_also_run_disabled_tests";
    char* arguments[] = {name.data(), filter.data(), also.data(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t pid = 0;
    EXPECT_EQ(posix_spawn(&pid, name.c_str(), &actions, nullptr, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    unsetenv(kDirVariable);
    return pid;
  }

  // Waits until the index has been written to since `before`: the child is at work.
  bool WaitUntilItWrites(std::filesystem::file_time_type before) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < deadline) {
      std::error_code error;
      const auto written = std::filesystem::last_write_time(Path("index"), error);
      if (!error && written > before) return true;
      std::this_thread::yield();
    }
    return false;
  }

  // How many pages a start finds; every one of them is read and compared.
  int64_t CheckAll() const {
    auto cache = BlockCache::Open(OptionsFor(options_.dir)).ValueOrDie();
    int64_t pages = 0;
    for (int number = 0; number < kObjects; ++number) {
      const auto object = cache->Find(UrlOf(number));
      if (object == nullptr) continue;
      EXPECT_EQ(object->version(), Version(SizeOf(number), EtagOf(number)));
      for (int64_t block = 0; block <= number + 1; ++block) {
        uint64_t here = cache->Pages(*object, block);
        for (; here != 0; here &= here - 1) {
          const int64_t offset = block * kBlockBytes + std::countr_zero(here) * kPageBytes;
          const int64_t length = std::min(kPageBytes, SizeOf(number) - offset);
          EXPECT_TRUE(ReadIs(*cache, *object, offset, length)) << "a torn page, if only missing";
          ++pages;
        }
      }
    }
    EXPECT_EQ(cache->stats().corrupt_pages, 0) << "a killed process loses nothing it had written";
    EXPECT_LE(cache->stats().used_bytes, OptionsFor("").budget_bytes);
    return pages;
  }
};

TEST_F(BlockCacheCrashTest, FiftyKillsLeaveNothingTorn) {
  std::mt19937 random(std::random_device{}());
  int64_t survived = 0;
  int starts_with_pages = 0;
  for (int kill_number = 0; kill_number < kKills; ++kill_number) {
    const auto before = std::filesystem::file_time_type::clock::now();
    const pid_t pid = SpawnFiller();
    ASSERT_TRUE(WaitUntilItWrites(before));
    // A random moment of its work is the point of this test.
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 30'000));
    ASSERT_EQ(kill(pid, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFSIGNALED(status)) << "it ended before it was killed: " << status;
    const int64_t pages = CheckAll();
    if (HasFailure()) return;
    survived += pages;
    starts_with_pages += pages > 0 ? 1 : 0;
  }
  std::printf("%lld pages survived %d kills\n", static_cast<long long>(survived), kKills);
  EXPECT_GT(starts_with_pages, kKills / 2);
  EXPECT_GT(survived, kKills * 64);
}

}  // namespace
}  // namespace eider::cache
