// Nothing is fetched twice: however reads, fetches ahead and writes to the disk fall together.
#include <barrier>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "cache/cache_fixture.h"
#include "cache/reader_fixture.h"

namespace eider::cache {
namespace {

constexpr int64_t kSize = 3 * kMiB + 5'000;
constexpr int kThreads = 4;
constexpr int kRounds = 60;
constexpr int kReads = 12;

struct Case {
  const char* name;
  Mode mode;
  enum { kMemory, kFull, kDirectory, kNone } disk;
  bool one_query;  // of all threads
};

class ReaderOnceTest : public ReaderTest, public testing::WithParamInterface<Case> {
 protected:
  using Random = std::mt19937_64;
  static int64_t Below(Random& random, int64_t bound) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(bound));
  }

  void StartReader() {
    ReaderOptions options;
    options.max_fetch_bytes = 24 * kPageBytes;
    Restart(options, GetParam().disk != Case::kNone);
    if (GetParam().disk == Case::kFull) blocks_->Disable();
    if (GetParam().disk != Case::kDirectory) return;
    BlockCache::Options directory;
    directory.dir = testing::TempDir() + "eider_reader_once_test";
    std::filesystem::remove_all(directory.dir);
    directory.budget_bytes = 64 * kMiB;
    directory.reserve_percent = 0;
    reader_.reset();
    blocks_ = nullptr;
    reader_ = std::make_unique<Reader>(store_, *BlockCache::Open(directory), options);
  }

  // As DuckDB's threads do: what is read is fetched with what lies near it, or not.
  void ReadAtRandom(const std::string& key, const std::string& truth, const ObjectPtr& object,
                    QueryReads& query, Random random) {
    for (int i = 0; i < kReads; ++i) {
      const int64_t offset = Below(random, kSize - 1);
      const int64_t length = std::min(kSize - offset, 1 + Below(random, 200'000));
      if (Below(random, 2) == 0) {
        const int64_t ahead = Below(random, kSize - 1);
        reader_->Prefetch(SourceOf(key), object, {{offset, length}, {ahead, 100'000}}, query);
      }
      const auto read = Read(query, key, object, offset, length);
      ASSERT_TRUE(read.ok()) << read.status();
      ASSERT_TRUE(*read == truth.substr(static_cast<size_t>(offset), static_cast<size_t>(length)));
    }
  }

  void ExpectEachPageOnce() const {
    std::map<int64_t, int> sent;
    for (const FakeStore::Asked& asked : store_->asked()) {
      EXPECT_FALSE(asked.failed);
      for (int64_t at = asked.offset; at < asked.offset + asked.bytes; at += kPageBytes) {
        ++sent[at / kPageBytes];
      }
    }
    for (const auto& [page, times] : sent) EXPECT_EQ(times, 1) << "page " << page;
  }
};

TEST_P(ReaderOnceTest, EachPageComesOnce) {
  StartReader();
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    const std::string key = "o" + std::to_string(round);
    const std::string truth = Bytes(kSize, round + 1);
    const store::Version version = store_->Put(key, truth);
    std::vector<std::unique_ptr<QueryReads>> queries;
    for (int i = 0; i < (GetParam().one_query ? 1 : kThreads); ++i) {
      queries.push_back(Query(GetParam().mode));
    }
    std::barrier begin(kThreads);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      QueryReads& query = *queries[static_cast<size_t>(i) % queries.size()];
      threads.emplace_back([&, own = random()] {
        const auto object = Open(query, key, Reader::Opening::kTail, version);
        ASSERT_TRUE(object.ok());
        begin.arrive_and_wait();
        ReadAtRandom(key, truth, *object, query, Random(own));
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_TRUE(
        Eventually([&] { return static_cast<int>(store_->asked().size()) == store_->gets(); }));
    ExpectEachPageOnce();
    store_->Forget();
  }
}

// Queries without a disk do not share what they keep, but each keeps what it has read, also who
// joined a flight at its very end.
TEST_F(ReaderTest, WithAFullDiskNobodyFetchesWhatItHasRead) {
  Restart({});
  blocks_->Disable();
  for (int round = 0; round < 150 && !HasFailure(); ++round) {
    const std::string key = "o" + std::to_string(round);
    const store::Version version = store_->Put(key, Bytes(kSize));
    std::barrier begin(kThreads);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        auto query = Query();
        const ObjectPtr object = *Open(*query, key, Reader::Opening::kTail, version);
        begin.arrive_and_wait();
        for (int n = 0; n < i * 20; ++n) std::this_thread::yield();
        ASSERT_TRUE(Read(*query, key, object, 0, 100).ok());
        const int64_t requests = query->scope().costs->requests;
        // Its flight is gone once that of another page is written after it.
        ASSERT_TRUE(Read(*query, key, object, kMiB + i * kPageBytes, 100).ok());
        ASSERT_TRUE(blocks_->AwaitWrites(round * (kThreads + 1) + kThreads));
        ASSERT_TRUE(Read(*query, key, object, 0, 100).ok());
        EXPECT_EQ(query->scope().costs->requests, requests + 1);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Modes, ReaderOnceTest,
    testing::Values(Case{"Use", Mode::kUse, Case::kMemory, true},
                    Case{"UseByMany", Mode::kUse, Case::kMemory, false},
                    Case{"UseOfADirectory", Mode::kUse, Case::kDirectory, true},
                    Case{"UseOfADirectoryByMany", Mode::kUse, Case::kDirectory, false},
                    Case{"UseOfAFullDisk", Mode::kUse, Case::kFull, true},
                    Case{"UseWithoutADisk", Mode::kUse, Case::kNone, true},
                    Case{"Passive", Mode::kPassive, Case::kMemory, true},
                    Case{"Off", Mode::kOff, Case::kMemory, true}),
    [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace eider::cache
