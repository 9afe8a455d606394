// The BlockCache over a BlockDirectory.
//
// Locks, in the order in which they are taken; none is held over I/O:
//   a shard's   the blocks whose keys fall into it: what is valid, verified, pinned
//   room_       what there is room for: the budget, free slots, the order of eviction
// gate_mutex_ is taken alone.
//
// A block is in its shard's map from when it has a slot until it is unlinked (evicted or dropped).
// Who works on it outside the lock pins it; who writes it, or reads and judges its checksums, also
// makes it busy, alone. A block that is unlinked while pinned is freed by the last unpin. So a slot
// is never reused while it is read.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "cache/block_cache.h"
#include "cache/directory.h"
#include "cache/eviction.h"
#include "cache/object_table.h"
#include "cache/write_gate.h"

namespace eider::cache {

class DiskCache final : public BlockCache {
 public:
  DiskCache(const Options& options, std::unique_ptr<BlockDirectory> directory);
  // Reads the index. Called once, before all others.
  void Restore();

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

 private:
  struct Block : S3Fifo::Entry {
    // Constant from taking to freeing.
    InternedPtr object;
    int64_t index = 0;  // in the object
    uint64_t key = 0;
    uint32_t slot = 0;
    uint64_t sequence = 0;
    uint64_t seed = 0;  // of its checksums; set by who writes the record
    // Guarded by the shard's mutex.
    uint64_t valid = 0;
    uint64_t verified = 0;  // of those: read or written by this process
    int pins = 0;
    bool busy = false;
    bool linked = false;
  };
  struct Shard {
    base::Mutex mutex;
    base::CondVar idle;  // a block is no longer busy
    // By key. Two objects whose keys collide: the second is not kept.
    std::unordered_map<uint64_t, Block*> blocks EIDER_GUARDED_BY(mutex);
  };
  // What Evict() of the policy chose, to be found again under its shard's lock.
  struct Victim {
    uint64_t key = 0;
    uint64_t sequence = 0;
  };
  class Pin;

  Shard& ShardOf(uint64_t key) { return shards_[key >> 58]; }
  // nullptr where it is not here.
  Block* FindBlock(Shard& shard, uint64_t key, const InternedObject& object, int64_t block)
      EIDER_REQUIRES(shard.mutex);
  void Unlink(Shard& shard, Block& block) EIDER_REQUIRES(shard.mutex);
  // REQUIRES: unlinked, and no pins. Not under a lock.
  void Free(Block& block);
  void Unpin(Shard& shard, Block& block);

  // disk_cache_read.cc
  bool Verify(Shard& shard, Block& block, uint64_t pages);
  // The pages of `pages` whose bytes have their checksums.
  uint64_t CheckPages(const Block& block, const PageTable& table, uint64_t pages) const;
  // Takes pages of a busy block out; the last one takes the block with it.
  void DropPages(Shard& shard, Block& block, uint64_t pages) EIDER_REQUIRES(shard.mutex);
  void ForgetUnreadable(Shard& shard, Block& block, uint64_t pages);

  // disk_cache_write.cc
  // The block, pinned and busy, with a new slot where it had none; nullptr where there is nothing
  // to write or no room. `missing` is of `pages` what is to be written, and has its bytes reserved.
  Block* Claim(Shard& shard, InternedObject& object, int64_t index, uint64_t pages,
               uint64_t& missing);
  Block* TakeSlot(InternedObject& object, int64_t index);
  bool Reserve(int64_t bytes, bool with_slot, Block** block);
  bool WritePages(Block& block, uint64_t missing, int64_t start, std::span<const uint8_t> bytes);
  bool WriteTable(Block& block, uint64_t missing, int64_t start, std::span<const uint8_t> bytes);
  void EndWrite(Shard& shard, Block& block, uint64_t written, int64_t reserved_bytes);
  bool MayWrite(int64_t bytes);
  void NoteWrite(bool good, int error);
  void StopWriting(int64_t pause_ms, std::string why);

  // Room.
  bool EvictOne();
  void EvictBytes(int64_t bytes);
  Block* NewBlock(uint32_t slot) EIDER_REQUIRES(room_);
  void RestoreBlock(int64_t slot, const BlockIdentity& identity, uint64_t seed, uint64_t valid);
  void DropWhere(const std::function<bool(const Block&)>& matches);

  const Options options_;
  const std::unique_ptr<BlockDirectory> directory_;
  const base::SystemClock system_clock_;
  const base::Clock& clock_;
  const std::shared_ptr<ObjectTable> objects_ = std::make_shared<ObjectTable>();
  const int64_t slot_limit_;
  InsertionClock insertions_;
  std::array<Shard, 64> shards_;

  base::Mutex room_;
  S3Fifo policy_ EIDER_GUARDED_BY(room_);
  std::deque<Block> blocks_ EIDER_GUARDED_BY(room_);          // grows only
  std::vector<Block*> spare_blocks_ EIDER_GUARDED_BY(room_);  // without a slot
  // The lowest first: it keeps the files short.
  std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> free_slots_
      EIDER_GUARDED_BY(room_);
  int64_t next_slot_ EIDER_GUARDED_BY(room_) = 0;  // from here on none was ever taken
  std::atomic<int64_t> used_bytes_{0};             // written under room_, of reservations too

  mutable base::Mutex gate_mutex_;
  WriteGate gate_ EIDER_GUARDED_BY(gate_mutex_);

  std::atomic<uint64_t> next_sequence_{1};
  std::atomic<int64_t> block_count_{0};
  std::atomic<int64_t> object_count_{0};
  std::atomic<int64_t> evictions_{0};
  std::atomic<int64_t> corrupt_pages_{0};
  std::atomic<int64_t> write_failures_{0};
};

}  // namespace eider::cache
