#include "cache/eviction.h"

#include <algorithm>

namespace eider::cache {
namespace {

constexpr int kMaxUses = 3;
constexpr int64_t kSmallPart = 10;  // one tenth of the capacity

}  // namespace

void S3Fifo::Entry::Use(const InsertionClock& clock) {
  const int64_t now = clock.now();
  int64_t counted_at = counted_at_.load(std::memory_order_relaxed);
  if (now - counted_at < clock.window_bytes()) return;
  // Of several threads one counts.
  if (!counted_at_.compare_exchange_strong(counted_at, now, std::memory_order_relaxed)) return;
  if (uses_.load(std::memory_order_relaxed) < kMaxUses) {
    uses_.fetch_add(1, std::memory_order_relaxed);
  }
}

void S3Fifo::Push(Queue& queue, Entry& entry) {
  entry.queue_ = &queue;
  entry.older_ = queue.newest;
  entry.newer_ = nullptr;
  (queue.newest != nullptr ? queue.newest->newer_ : queue.oldest) = &entry;
  queue.newest = &entry;
  queue.bytes += entry.weight_bytes_;
}

void S3Fifo::Unlink(Entry& entry) {
  Queue& queue = *entry.queue_;
  (entry.newer_ != nullptr ? entry.newer_->older_ : queue.newest) = entry.older_;
  (entry.older_ != nullptr ? entry.older_->newer_ : queue.oldest) = entry.newer_;
  queue.bytes -= entry.weight_bytes_;
  entry.queue_ = nullptr;
}

void S3Fifo::Prepare(Entry& entry, uint64_t key, int64_t weight_bytes) {
  entry.key_ = key;
  entry.weight_bytes_ = weight_bytes;
  entry.uses_.store(0, std::memory_order_relaxed);
  clock_.Advance(weight_bytes);
  entry.counted_at_.store(clock_.now(), std::memory_order_relaxed);
}

void S3Fifo::Insert(Entry& entry, uint64_t key, int64_t weight_bytes) {
  Prepare(entry, key, weight_bytes);
  Push(Recall(key) ? main_ : small_, entry);
}

void S3Fifo::InsertMain(Entry& entry, uint64_t key, int64_t weight_bytes) {
  Prepare(entry, key, weight_bytes);
  Push(main_, entry);
}

void S3Fifo::Resize(Entry& entry, int64_t weight_bytes) {
  const int64_t growth = weight_bytes - entry.weight_bytes_;
  entry.queue_->bytes += growth;
  entry.weight_bytes_ = weight_bytes;
  clock_.Advance(std::max<int64_t>(growth, 0));
}

void S3Fifo::Remove(Entry& entry) {
  if (entry.queued()) Unlink(entry);
}

S3Fifo::Entry* S3Fifo::Evict() {
  while (small_.oldest != nullptr || main_.oldest != nullptr) {
    const bool from_small =
        main_.oldest == nullptr ||
        (small_.oldest != nullptr && small_.bytes >= capacity_bytes_ / kSmallPart);
    if (Entry* entry = from_small ? EvictSmall() : EvictMain()) return entry;
  }
  return nullptr;
}

// The next two take one entry from its queue's end; nullptr where it stays.
S3Fifo::Entry* S3Fifo::EvictSmall() {
  Entry& entry = *small_.oldest;
  Unlink(entry);
  if (entry.uses_.exchange(0, std::memory_order_relaxed) > 0) {
    Push(main_, entry);
    return nullptr;
  }
  Remember(entry.key_, entry.weight_bytes_);
  return &entry;
}

S3Fifo::Entry* S3Fifo::EvictMain() {
  Entry& entry = *main_.oldest;
  Unlink(entry);
  if (entry.uses_.load(std::memory_order_relaxed) == 0) return &entry;
  // Uses are only added elsewhere, so that this cannot fall below 0.
  entry.uses_.fetch_sub(1, std::memory_order_relaxed);
  Push(main_, entry);
  return nullptr;
}

void S3Fifo::Return(Entry& entry, int64_t weight_bytes) {
  entry.weight_bytes_ = weight_bytes;
  Push(main_, entry);
}

void S3Fifo::Remember(uint64_t key, int64_t weight_bytes) {
  ghosts_.push_back({key, weight_bytes, next_ghost_});
  ghost_keys_[key] = next_ghost_++;
  ghost_bytes_ += weight_bytes;
  const int64_t limit = capacity_bytes_ - capacity_bytes_ / kSmallPart;
  while (ghost_bytes_ > limit && !ghosts_.empty()) {
    const Ghost oldest = ghosts_.front();
    ghosts_.pop_front();
    ghost_bytes_ -= oldest.weight_bytes;
    const auto it = ghost_keys_.find(oldest.key);
    if (it != ghost_keys_.end() && it->second == oldest.number) ghost_keys_.erase(it);
  }
}

bool S3Fifo::Recall(uint64_t key) { return ghost_keys_.erase(key) > 0; }

}  // namespace eider::cache
