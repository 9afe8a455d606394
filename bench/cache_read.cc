// What a read of a cached page costs beyond its copy: google-benchmark, for reads.py and by itself.
//
// The page is on disk and in the kernel's page cache, its block's file is open and its checksum was
// verified by an earlier read: what a warm query does for each page that it wants.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cache/block_cache.h"
#include "cache/reader.h"
#include "store/object_store.h"

namespace {

namespace cache = eider::cache;
namespace store = eider::store;

constexpr int64_t kObjectBytes = 8 * cache::kBlockBytes;

// There is nothing to ask it: every page is in the cache.
class NoStore final : public store::ObjectStore {
 public:
  void StartGet(store::GetRequest, store::Scope, GetDone done) override { done(Refusal()); }
  arrow::Result<store::Version> Stat(const store::GetRequest&, const store::Scope&) override {
    return Refusal();
  }
  arrow::Result<store::ListPage> List(const store::ListRequest&, const store::Scope&) override {
    return Refusal();
  }

 private:
  static arrow::Status Refusal() {
    return eider::base::MakeError(eider::base::ErrorCode::kInternal, "a page was not cached");
  }
};

template <typename T>
T Value(arrow::Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  return std::move(*result);
}

// A cache in a directory of its own, gone with it, that holds one object whole.
class CachedObject {
 public:
  CachedObject() {
    std::string name = std::filesystem::temp_directory_path() / "eider-cache-read-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no directory " + name);
    dir_ = name;
    const store::Version version{.size = kObjectBytes, .etag = "\"1\""};
    auto blocks = Value(cache::BlockCache::Open(
        {.dir = dir_, .budget_bytes = 4 * kObjectBytes, .reserve_percent = 0}));
    const cache::ObjectPtr written = blocks->Intern(source_.url, version);
    std::vector<uint8_t> bytes(cache::kBlockBytes, 7);
    for (int64_t at = 0; at < kObjectBytes; at += cache::kBlockBytes) {
      blocks->Write(*written, at, bytes);
    }
    reader_ = std::make_unique<cache::Reader>(std::make_shared<NoStore>(), std::move(blocks),
                                              cache::ReaderOptions{});
    store::Scope scope;
    scope.costs = std::make_shared<store::Costs>();
    reads_ = std::make_unique<cache::QueryReads>(cache::Mode::kUse, scope);
    object_ = Value(reader_->Open(source_, cache::Reader::Opening::kTail, version, *reads_));
  }
  ~CachedObject() {
    reads_.reset();
    reader_.reset();
    std::filesystem::remove_all(dir_);
  }

  void Read(int64_t offset, std::span<uint8_t> out) {
    const arrow::Status status = reader_->Read(source_, object_, offset, out, *reads_);
    if (!status.ok()) throw std::runtime_error(status.ToString());
  }

 private:
  std::filesystem::path dir_;
  const cache::Source source_{.access = std::make_shared<store::Access>(),
                              .name = {"bucket", "key"},
                              .url = "s3://bucket/key"};
  std::unique_ptr<cache::Reader> reader_;
  std::unique_ptr<cache::QueryReads> reads_;
  cache::ObjectPtr object_;
};

// One page after another, round and round.
int64_t Next(int64_t offset) { return (offset + cache::kPageBytes) % kObjectBytes; }

void ReadCachedPage(benchmark::State& state) {
  CachedObject object;
  std::vector<uint8_t> out(cache::kPageBytes);
  for (int64_t at = 0; at < kObjectBytes; at += cache::kPageBytes) object.Read(at, out);
  int64_t offset = 0;
  for (auto _ : state) {
    object.Read(offset, out);
    benchmark::DoNotOptimize(out.data());
    offset = Next(offset);
  }
}
BENCHMARK(ReadCachedPage);

void CopyPage(benchmark::State& state) {
  const std::vector<uint8_t> bytes(kObjectBytes, 7);
  std::vector<uint8_t> out(cache::kPageBytes);
  int64_t offset = 0;
  for (auto _ : state) {
    std::memcpy(out.data(), bytes.data() + offset, out.size());
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
    offset = Next(offset);
  }
}
BENCHMARK(CopyPage);

}  // namespace

BENCHMARK_MAIN();
