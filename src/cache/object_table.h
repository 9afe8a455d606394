// The versions of objects that somebody holds or that have blocks here, each once.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "cache/block_cache.h"

namespace eider::cache {

class ObjectTable;

// Thread-safe. Leaves its table when the last one lets go of it.
class InternedObject final : public Object, public std::enable_shared_from_this<InternedObject> {
 public:
  InternedObject(std::shared_ptr<ObjectTable> table, std::string url, store::Version version);
  ~InternedObject() override;
  const std::string& url() const override { return url_; }
  const store::Version& version() const override { return version_; }

  // Of identity; the same in every process.
  uint64_t hash() const { return hash_; }
  // Of a block of it, well mixed.
  uint64_t BlockKey(int64_t block) const;

  std::atomic<int64_t> blocks{0};      // that the cache has of it
  std::atomic<uint64_t> last_used{0};  // greater is later
  std::atomic<bool> retired{false};    // it takes no more pages

 private:
  const std::shared_ptr<ObjectTable> table_;
  const std::string url_;
  const store::Version version_;
  const uint64_t hash_;
};
using InternedPtr = std::shared_ptr<InternedObject>;

// Thread-safe.
class ObjectTable : public std::enable_shared_from_this<ObjectTable> {
 public:
  InternedPtr Intern(const std::string& url, const store::Version& version);
  // The one that was used last of those of `url` with blocks; null where there is none.
  InternedPtr Latest(const std::string& url) const;
  // Takes out, retired, every version of `url`, or of URLs that begin with `prefix`.
  std::vector<InternedPtr> RetireUrl(const std::string& url);
  std::vector<InternedPtr> RetirePrefix(const std::string& prefix);

 private:
  friend class InternedObject;
  // Weak: who is gone but for its destructor is passed over, and takes out itself. The pointer
  // tells which is whose.
  struct Held {
    const InternedObject* object;
    std::weak_ptr<InternedObject> weak;
  };
  using Versions = std::vector<Held>;
  void Forget(const InternedObject& object);
  static void Retire(const Versions& versions, std::vector<InternedPtr>& retired);

  mutable base::Mutex mutex_;
  std::unordered_map<std::string, Versions> urls_ EIDER_GUARDED_BY(mutex_);
};

}  // namespace eider::cache
