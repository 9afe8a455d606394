// For tests: a cache directory of the test's own, and objects whose content is a function.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cache/block_cache.h"

namespace eider::cache {

// Bytes [offset, offset + length) of the version of an object with this ETag.
inline std::vector<uint8_t> Content(const std::string& etag, int64_t offset, int64_t length) {
  const uint64_t seed = std::hash<std::string>()(etag) | 1;
  std::vector<uint8_t> bytes(length);
  for (int64_t i = 0; i < length; ++i) {
    bytes[i] = static_cast<uint8_t>((static_cast<uint64_t>(offset + i + 1) * seed) >> 40);
  }
  return bytes;
}

inline store::Version Version(int64_t size, std::string etag = "\"etag\"") {
  return {.size = size, .etag = std::move(etag), .last_modified_ms = 1'700'000'000'000};
}

inline void Fill(BlockCache& cache, const Object& object, int64_t offset, int64_t length) {
  cache.Write(object, offset, Content(object.version().etag, offset, length));
}

// Whether it can be read. Fails the test where what is read is not the content.
inline bool ReadIs(BlockCache& cache, const Object& object, int64_t offset, int64_t length) {
  std::vector<uint8_t> out(length);
  if (!cache.Read(object, offset, out)) return false;
  EXPECT_TRUE(out == Content(object.version().etag, offset, length))
      << object.url() << " at " << offset;
  return true;
}

class CacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    options_.dir =
        ::testing::TempDir() + "eider_cache_test/" + info->test_suite_name() + "." + info->name();
    std::filesystem::remove_all(options_.dir);
    options_.budget_bytes = 256 * kBlockBytes;
    options_.reserve_percent = 0;
  }
  void TearDown() override { std::filesystem::remove_all(options_.dir); }

  std::unique_ptr<BlockCache> Open() const { return BlockCache::Open(options_).ValueOrDie(); }
  std::unique_ptr<BlockCache> Reopen(std::unique_ptr<BlockCache> cache) const {
    cache.reset();
    return Open();
  }
  std::string Path(const std::string& file) const { return options_.dir + "/" + file; }
  // What a file takes on disk, in bytes.
  int64_t DiskUse(const std::string& file) const {
    struct stat info{};
    EXPECT_EQ(stat(Path(file).c_str(), &info), 0);
    return int64_t{info.st_blocks} * 512;
  }

  BlockCache::Options options_;
};

}  // namespace eider::cache
