// A cache directory with an index of any bytes: it opens, lists, verifies, reads, writes, evicts
// and clears without a crash, and keeps to its budget.
//
// The first byte of an input says how it is used (fuzz_seeds.cc makes some), the rest is the index.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "cache/block_cache.h"
#include "cache/format.h"
#include "cache/inspection.h"

namespace {

using namespace eider::cache;  // NOLINT(google-build-using-namespace): the cache is the subject

constexpr uint8_t kReseal = 1;    // make the checksums fit
constexpr uint8_t kReadOnly = 2;  // open it so
constexpr uint8_t kVerify = 4;    // as a person would
constexpr size_t kMaxIndexBytes = 16 * kRecordBytes;

void Check(bool holds) {
  if (!holds) std::abort();
}

// Never destroyed: it is removed at the very end.
const std::string& Directory() {
  static const std::string* const kDirectory = [] {
    spdlog::set_level(spdlog::level::off);
    const bool has_memory = access("/dev/shm", W_OK) == 0;
    std::string path = has_memory ? "/dev/shm" : std::filesystem::temp_directory_path().string();
    path += "/eider-fuzz-" + std::to_string(getpid());
    std::filesystem::create_directories(path);
    std::atexit([] { std::filesystem::remove_all(Directory()); });
    return new std::string(path);
  }();
  return *kDirectory;
}

void WriteFile(const std::string& name, const std::vector<uint8_t>& bytes) {
  std::ofstream file(Directory() + "/" + name, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

void Prepare(std::vector<uint8_t> index, bool reseal) {
  index.resize(std::min(index.size(), kMaxIndexBytes));
  for (size_t at = 0; reseal && at + kRecordBytes <= index.size(); at += kRecordBytes) {
    Reseal(std::span<uint8_t, kRecordBytes>(index.data() + at, kRecordBytes));
  }
  WriteFile("FORMAT", {'e', 'i', 'd', 'e', 'r', '-', 'b', 'l', 'o', 'c', 'k', 's', ' ', '1', '\n'});
  WriteFile("index", index);
  // The seeds' content, so that the first page of each slot is good.
  WriteFile("data", {});
  std::ofstream data(Directory() + "/data", std::ios::binary | std::ios::in);
  const std::string page(kPageBytes, 'e');
  for (size_t at = 0; at < index.size(); at += kRecordBytes) {
    data.seekp(static_cast<std::streamoff>(at / kRecordBytes) * kBlockBytes);
    data << page;
  }
}

void Use(BlockCache& cache, const std::vector<CachedObject>& objects, int64_t budget_bytes) {
  std::vector<uint8_t> bytes(kPageBytes, 'e');
  for (const CachedObject& listed : objects) {
    const auto object = cache.Intern(listed.url, listed.version);
    const int64_t last = (listed.version.size - 1) / kBlockBytes;
    for (const int64_t block : {int64_t{0}, last / 2, last}) {
      cache.Pages(*object, block);
      const int64_t offset = block * kBlockBytes;
      const int64_t length = std::min(kPageBytes, listed.version.size - offset);
      cache.Read(*object, offset, std::span(bytes).first(length));
      cache.Write(*object, offset, std::span(bytes).first(length));
    }
    if (listed.blocks % 2 == 0) cache.Drop(*object);
    cache.Find(listed.url);
    Check(cache.stats().used_bytes <= budget_bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t how = data[0];
  Prepare({data + 1, data + size}, (how & kReseal) != 0);
  const auto objects = ListObjects(Directory()).ValueOrDie();
  if ((how & kVerify) != 0) VerifyDirectory(Directory()).ValueOrDie();
  const bool read_only = (how & kReadOnly) != 0;
  const int64_t budget_bytes = 2 * kBlockBytes;
  {
    auto cache = BlockCache::Open({.dir = Directory(),
                                   .budget_bytes = budget_bytes,
                                   .reserve_percent = 0,
                                   .read_only = read_only})
                     .ValueOrDie();
    // One that only looks evicts nothing.
    Use(*cache, objects, read_only ? INT64_MAX : budget_bytes);
    cache->Clear();
    Check(cache->stats().used_bytes == 0);
    Check(cache->stats().blocks == 0);
    Check(cache->stats().objects == 0);
  }
  if (!read_only) Check(ListObjects(Directory()).ValueOrDie().empty());
  return 0;
}
