// Random reads through the cache equal direct reads, whatever happens beside them.
#include <atomic>
#include <cstdlib>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "cache/reader_fixture.h"

namespace eider::cache {
namespace {

constexpr int kObjects = 4;
constexpr int kReaders = 6;
constexpr int kQueries = 25;
constexpr int kReads = 12;

// Every version that an object ever had, by ETag.
class History {
 public:
  void Add(const std::string& etag, std::string bytes) {
    base::MutexLock lock(mutex_);
    versions_[etag] = std::make_shared<const std::string>(std::move(bytes));
  }
  std::shared_ptr<const std::string> At(const std::string& etag) const {
    base::MutexLock lock(mutex_);
    const auto found = versions_.find(etag);
    return found == versions_.end() ? nullptr : found->second;
  }

 private:
  mutable base::Mutex mutex_;
  std::map<std::string, std::shared_ptr<const std::string>> versions_ EIDER_GUARDED_BY(mutex_);
};

// The seed of a run; EIDER_TEST_SEED replays one.
uint64_t SeedOfThisRun() {
  const char* given = std::getenv("EIDER_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

class ReaderPropertyTest : public ReaderTest {
 protected:
  using Random = std::mt19937_64;
  static int64_t Below(Random& random, int64_t bound) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(bound));
  }

  void Replace(int object, Random& random) {
    const int64_t sizes[] = {0, 1, kPageBytes, 50'000, kMiB, 2 * kMiB + 777};
    std::string bytes = Bytes(sizes[Below(random, 6)], random());
    // Known before it can be read.
    base::MutexLock lock(replacing_);
    const store::Version version = store_->Put("o" + std::to_string(object), bytes);
    history_.Add(version.etag, std::move(bytes));
  }

  void RunQueries(uint64_t seed) {
    Random random(seed);
    for (int i = 0; i < kQueries; ++i) {
      const Mode modes[] = {Mode::kUse,     Mode::kUse, Mode::kUse,
                            Mode::kPassive, Mode::kOff, Mode::kRefresh};
      store::Scope scope;
      std::stop_source stop;
      scope.stop = stop.get_token();
      if (Below(random, 10) == 0) stop.request_stop();
      auto query = Query(modes[Below(random, 6)], scope);
      RunQuery(*query, random);
    }
  }

  void RunQuery(QueryReads& query, Random& random) {
    for (int i = 0; i < kReads; ++i) {
      const std::string key = "o" + std::to_string(Below(random, kObjects));
      const auto opening = Below(random, 2) == 0 ? Reader::Opening::kTail : Reader::Opening::kHead;
      const auto object = Open(query, key, opening);
      if (!object.ok()) {
        Expect(object.status());
        continue;
      }
      const auto truth = Truth((*object)->version().etag);
      ASSERT_NE(truth, nullptr);
      const int64_t size = static_cast<int64_t>(truth->size());
      ASSERT_EQ((*object)->version().size, size);
      const int64_t offset = Below(random, size + 1);
      const int64_t length =
          std::min(size - offset, Below(random, 3) == 0 ? kMiB : Below(random, 40'000));
      if (Below(random, 4) == 0) {
        reader_->Prefetch(SourceOf(key), *object, {{offset, length}, {size / 2, 100'000}}, query);
      }
      const auto read = Read(query, key, *object, offset, length);
      if (!read.ok()) {
        Expect(read.status());
        if (IsObjectChanged(read.status())) return;  // it would be run again with a new QueryReads
        continue;
      }
      ASSERT_TRUE(*read == truth->substr(static_cast<size_t>(offset), static_cast<size_t>(length)))
          << key << " " << (*object)->version().etag << " at " << offset << ", " << length;
      ++good_;
    }
  }

  std::shared_ptr<const std::string> Truth(const std::string& etag) {
    base::MutexLock lock(replacing_);
    return history_.At(etag);
  }

  void Expect(const arrow::Status& status) {
    if (IsObjectChanged(status)) {
      ++changed_;
      return;
    }
    const base::ErrorCode code = CodeOf(status);
    EXPECT_TRUE(code == base::ErrorCode::kCancelled || status.message() == "injected") << status;
  }

  base::Mutex replacing_;
  History history_;
  std::atomic<int> good_{0};
  std::atomic<int> changed_{0};
};

TEST_F(ReaderPropertyTest, ReadsAreOfOneVersionAndRight) {
  const uint64_t seed = SeedOfThisRun();
  SCOPED_TRACE("EIDER_TEST_SEED=" + std::to_string(seed));
  RecordProperty("seed", std::to_string(seed));
  Random random(seed);
  int64_t evictions = 0;
  for (const int64_t revalidate_ms : {0, 1, 10'000}) {
    ReaderOptions options;
    options.revalidate_ms = revalidate_ms;
    options.max_fetch_bytes = 8 * kPageBytes;
    options.max_prefetch_bytes = 2 * kMiB;
    Restart(options, /*disk=*/true, /*budget_bytes=*/10 * kPageBytes);
    for (int i = 0; i < kObjects; ++i) Replace(i, random);
    store_->FailRandomly(0.02, random());
    std::atomic<bool> over{false};
    std::vector<std::thread> readers;
    for (int i = 0; i < kReaders; ++i) {
      readers.emplace_back([this, own = random()] { RunQueries(own); });
    }
    std::thread replaces([this, &over, own = random()] {
      Random its(own);
      for (int before = -1; !over;) {
        if (good_ / 40 == before) {
          std::this_thread::yield();
          continue;
        }
        before = good_ / 40;
        const int object = static_cast<int>(Below(its, kObjects));
        Replace(object, its);
        if (Below(its, 2) == 0) {
          reader_->Invalidate("s3://bucket/o" + std::to_string(object), Below(its, 2) == 0);
        }
        if (Below(its, 10) == 0) reader_->Clear();
      }
    });
    for (std::thread& reader : readers) reader.join();
    over = true;
    replaces.join();
    // Left alone, it settles on what is there.
    store_->FailRandomly(0, 0);
    reader_->Clear();
    for (int i = 0; i < kObjects; ++i) {
      const std::string key = "o" + std::to_string(i);
      auto query = Query();
      const ObjectPtr object = *Open(*query, key);
      EXPECT_EQ(*ReadAll(*query, key), *Truth(object->version().etag));
    }
    evictions += blocks_->stats().evictions;
    EXPECT_TRUE(blocks_->complaints().empty());
  }
  // The run met what it is about.
  EXPECT_GT(good_, 300);
  EXPECT_GT(store_->faults(), 0);
  EXPECT_GT(changed_, 0);
  EXPECT_GT(evictions, 0);
}

}  // namespace
}  // namespace eider::cache
