// A block cache in memory for tests: evicts at random, and can be told to take nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "cache/block_cache.h"

namespace eider::cache {

// Thread-safe.
class FakeBlocks final : public BlockCache {
 public:
  explicit FakeBlocks(int64_t budget_bytes, uint64_t seed = 1)
      : budget_bytes_(budget_bytes), random_(seed) {}

  ObjectPtr Intern(const std::string& url, const store::Version& version) override;
  ObjectPtr Find(const std::string& url) const override;
  uint64_t Pages(const Object& object, int64_t block) override;
  bool Read(const Object& object, int64_t offset, std::span<uint8_t> out) override;
  void Write(const Object& object, int64_t offset, std::span<const uint8_t> bytes) override;
  void Drop(const Object& object) override;
  void DropUrl(const std::string& url) override;
  void DropPrefix(const std::string& prefix) override;
  void Clear() override;
  BlockCacheStats stats() const override;

  // Writes wait until it is called with false.
  void HoldWrites(bool hold);
  // Waits until a write is held; false after two minutes.
  bool AwaitHeldWrite();
  // Waits until so many writes have begun; false after two minutes.
  bool AwaitWrites(int count);
  // It takes nothing more, or after so many more writes.
  void Disable(int after_writes = 0);
  // Waits until so many pages are kept; false after two minutes.
  bool AwaitPages(size_t count);
  size_t pages() const;
  int pages_calls() const;
  int read_calls() const;
  void ForgetCalls();
  // What was misused: unaligned writes, reads across blocks.
  std::vector<std::string> complaints() const;

 private:
  using Page = std::pair<const Object*, int64_t>;
  using Identity = std::tuple<std::string, std::string, int64_t, int64_t>;

  // Forgets the pages of the objects that `which` names.
  void Erase(const std::function<bool(const Object&)>& which) EIDER_REQUIRES(mutex_);
  void DropForGood(const std::function<bool(const std::string&)>& which);
  void Evict() EIDER_REQUIRES(mutex_);

  const int64_t budget_bytes_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::mt19937_64 random_ EIDER_GUARDED_BY(mutex_);
  std::map<Identity, ObjectPtr> objects_ EIDER_GUARDED_BY(mutex_);
  std::set<ObjectPtr> dropped_ EIDER_GUARDED_BY(mutex_);  // for good: they take no more pages
  std::map<Page, std::string> pages_ EIDER_GUARDED_BY(mutex_);
  std::vector<Page> order_ EIDER_GUARDED_BY(mutex_);  // of pages_, in none
  std::map<std::string, ObjectPtr> last_ EIDER_GUARDED_BY(mutex_);
  std::vector<std::string> complaints_ EIDER_GUARDED_BY(mutex_);
  int64_t evictions_ EIDER_GUARDED_BY(mutex_) = 0;
  int pages_calls_ EIDER_GUARDED_BY(mutex_) = 0;
  int read_calls_ EIDER_GUARDED_BY(mutex_) = 0;
  int writes_ EIDER_GUARDED_BY(mutex_) = 0;
  int held_writes_ EIDER_GUARDED_BY(mutex_) = 0;
  bool hold_ EIDER_GUARDED_BY(mutex_) = false;
  int writes_left_ EIDER_GUARDED_BY(mutex_) = std::numeric_limits<int>::max();
};

}  // namespace eider::cache
