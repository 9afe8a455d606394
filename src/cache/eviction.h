// Which block leaves when there is no room: S3-FIFO (Yang et al., SOSP 2023), weighted by bytes.
//
// Three queues. New entries go to *small*, a tenth of the capacity; at its end those that were used
// again move to *main*, the others leave, and only their keys are remembered in *ghost*. What comes
// back while its key is remembered goes to main at once. Main is a FIFO that gives used entries
// another round. So a scan of cold blocks passes through small and leaves main alone.
//
// Differing from the paper: a block is read in many small pieces as it is decoded, which would make
// every scanned block look hot. So uses that lie closer together than a small part of the capacity
// (measured in bytes inserted meanwhile) count as one, and then one counted use is enough to stay.
//
// Pure: no locks, no clock, no I/O.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <unordered_map>

namespace eider::cache {

// How much was inserted so far: the time by which uses are told apart. Thread-safe.
class InsertionClock {
 public:
  // Uses less than `window_bytes` of insertions apart count as one.
  explicit InsertionClock(int64_t window_bytes) : window_bytes_(window_bytes) {}
  int64_t now() const { return inserted_bytes_.load(std::memory_order_relaxed); }
  int64_t window_bytes() const { return window_bytes_; }
  void Advance(int64_t bytes) { inserted_bytes_.fetch_add(bytes, std::memory_order_relaxed); }

 private:
  const int64_t window_bytes_;
  std::atomic<int64_t> inserted_bytes_{0};
};

// Not thread-safe, but for Entry::Use().
class S3Fifo {
  struct Queue;

 public:
  // What is evicted. Owned by the caller, who keeps it in place while it is queued.
  class Entry {
   public:
    // A use of it. Thread-safe, and cheap where many use it at once.
    void Use(const InsertionClock& clock);
    uint64_t key() const { return key_; }
    int64_t weight_bytes() const { return weight_bytes_; }
    bool queued() const { return queue_ != nullptr; }

   private:
    friend class S3Fifo;
    Queue* queue_ = nullptr;  // null: in none
    Entry* newer_ = nullptr;
    Entry* older_ = nullptr;
    uint64_t key_ = 0;
    int64_t weight_bytes_ = 0;
    std::atomic<int> uses_{0};  // since it came, or lost a round in main; at most kMaxUses
    std::atomic<int64_t> counted_at_{0};  // of the last use that counted, by the clock
  };

  // A part of the capacity that is a good window for the clock.
  static int64_t WindowBytes(int64_t capacity_bytes) { return capacity_bytes / 40; }

  // `clock` outlives this.
  S3Fifo(int64_t capacity_bytes, InsertionClock& clock)
      : capacity_bytes_(capacity_bytes), clock_(clock) {}
  S3Fifo(const S3Fifo&) = delete;
  S3Fifo& operator=(const S3Fifo&) = delete;

  // REQUIRES of both: not queued. `key` is remembered when it is evicted.
  void Insert(Entry& entry, uint64_t key, int64_t weight_bytes);
  // For what proved itself before a restart.
  void InsertMain(Entry& entry, uint64_t key, int64_t weight_bytes);
  // REQUIRES: queued.
  void Resize(Entry& entry, int64_t weight_bytes);
  // Nothing where it is not queued.
  void Remove(Entry& entry);
  // Takes out the entry that is to leave; nullptr where there is none.
  Entry* Evict();
  // Puts back what Evict() gave and what cannot leave now; the next to be given is another.
  void Return(Entry& entry, int64_t weight_bytes);

  int64_t small_bytes() const { return small_.bytes; }
  int64_t main_bytes() const { return main_.bytes; }
  int64_t ghost_bytes() const { return ghost_bytes_; }

 private:
  struct Queue {
    Entry* newest = nullptr;
    Entry* oldest = nullptr;
    int64_t bytes = 0;
  };
  struct Ghost {
    uint64_t key = 0;
    int64_t weight_bytes = 0;
    uint64_t number = 0;
  };
  static void Push(Queue& queue, Entry& entry);
  static void Unlink(Entry& entry);
  void Prepare(Entry& entry, uint64_t key, int64_t weight_bytes);
  Entry* EvictSmall();
  Entry* EvictMain();
  void Remember(uint64_t key, int64_t weight_bytes);
  bool Recall(uint64_t key);

  const int64_t capacity_bytes_;
  InsertionClock& clock_;
  Queue small_;
  Queue main_;
  std::deque<Ghost> ghosts_;                           // oldest first; some may be recalled since
  std::unordered_map<uint64_t, uint64_t> ghost_keys_;  // to the number of the ghost that counts
  int64_t ghost_bytes_ = 0;                            // of all in ghosts_
  uint64_t next_ghost_ = 0;
};

}  // namespace eider::cache
