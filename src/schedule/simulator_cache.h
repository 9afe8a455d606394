// A worker's cache in the simulator: whole keys by bytes, the least recently used goes first.
//
// Every call is O(1), amortised. Not thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>

namespace eider::schedule {

class SimulatorCache {
 public:
  explicit SimulatorCache(double capacity_bytes) : capacity_bytes_(capacity_bytes) {}

  // When the key's bytes are all here, which may be in the future; `otherwise` when it is not
  // cached. A read that `touches` makes the key the most recent one.
  int64_t ReadyAt(int key, bool touches, int64_t otherwise);
  // Makes room by evicting. What is larger than the cache is not kept.
  // REQUIRES: the key is not cached.
  void Insert(int key, double bytes, int64_t ready_at);
  bool HasRoomFor(double bytes) const { return used_bytes_ + bytes <= capacity_bytes_; }
  bool Contains(int key) const { return entries_.contains(key); }

  template <typename Visit>
  void ForEach(const Visit& visit) const {
    for (const Entry& entry : recent_) visit(entry.key, entry.bytes);
  }

 private:
  struct Entry {
    int key = 0;
    double bytes = 0;
    int64_t ready_at = 0;
  };

  const double capacity_bytes_;
  double used_bytes_ = 0;
  std::list<Entry> recent_;  // the most recently used first
  std::unordered_map<int, std::list<Entry>::iterator> entries_;
};

inline int64_t SimulatorCache::ReadyAt(int key, bool touches, int64_t otherwise) {
  const auto at = entries_.find(key);
  if (at == entries_.end()) return otherwise;
  if (touches) recent_.splice(recent_.begin(), recent_, at->second);
  return at->second->ready_at;
}

inline void SimulatorCache::Insert(int key, double bytes, int64_t ready_at) {
  if (bytes > capacity_bytes_) return;
  while (!HasRoomFor(bytes)) {
    used_bytes_ -= recent_.back().bytes;
    entries_.erase(recent_.back().key);
    recent_.pop_back();
  }
  used_bytes_ += bytes;
  recent_.push_front({key, bytes, ready_at});
  entries_[key] = recent_.begin();
}

}  // namespace eider::schedule
