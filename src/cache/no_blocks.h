// The block cache of a worker that has no disk for one: it only knows objects.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "cache/block_cache.h"

namespace eider::cache {

class NoBlocks final : public BlockCache {
 public:
  ObjectPtr Intern(const std::string& url, const store::Version& version) override;
  ObjectPtr Find(const std::string&) const override { return nullptr; }
  uint64_t Pages(const Object&, int64_t) override { return 0; }
  bool Read(const Object&, int64_t, std::span<uint8_t>) override { return false; }
  void Write(const Object&, int64_t, std::span<const uint8_t>) override {}
  void Drop(const Object&) override {}
  void DropUrl(const std::string&) override {}
  void DropPrefix(const std::string&) override {}
  void Clear() override {}
  BlockCacheStats stats() const override { return {}; }

 private:
  base::Mutex mutex_;
  std::unordered_map<std::string, std::weak_ptr<const Object>> objects_ EIDER_GUARDED_BY(mutex_);
  size_t sweep_at_ EIDER_GUARDED_BY(mutex_) = 1'024;  // entries, at which dead ones are looked for
};

}  // namespace eider::cache
