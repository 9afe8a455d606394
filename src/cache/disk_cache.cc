#include "cache/disk_cache.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "config/limits.h"

namespace eider::cache {
namespace {

int64_t BytesOf(uint64_t pages) { return std::popcount(pages) * kPageBytes; }

BlockCache::Options Checked(BlockCache::Options options) {
  options.budget_bytes = std::max(options.budget_bytes, kBlockBytes);
  return options;
}

int64_t SlotLimit(int64_t budget_bytes, bool can_punch) {
  // Without holes a slot costs its whole block, whatever is in it.
  if (!can_punch) return std::clamp<int64_t>(budget_bytes / kBlockBytes, 1, config::kMaxCacheSlots);
  return std::clamp(config::kCacheSlotsPerBlock * (budget_bytes / kBlockBytes),
                    config::kMinCacheSlots, config::kMaxCacheSlots);
}

}  // namespace

arrow::Result<std::unique_ptr<BlockCache>> BlockCache::Open(const Options& options) {
  const auto access =
      options.read_only ? BlockDirectory::Access::kRead : BlockDirectory::Access::kWrite;
  ARROW_ASSIGN_OR_RAISE(auto directory, BlockDirectory::Open(options.dir, access));
  auto cache = std::make_unique<DiskCache>(options, std::move(directory));
  cache->Restore();
  return cache;
}

DiskCache::DiskCache(const Options& options, std::unique_ptr<BlockDirectory> directory)
    : options_(Checked(options)),
      directory_(std::move(directory)),
      clock_(options.clock != nullptr ? *options.clock : system_clock_),
      slot_limit_(SlotLimit(options_.budget_bytes, directory_->can_punch())),
      insertions_(S3Fifo::WindowBytes(options_.budget_bytes)),
      policy_(options_.budget_bytes, insertions_),
      gate_(options_.reserve_percent) {}

void DiskCache::Restore() {
  struct Found {
    int64_t slot;
    uint64_t valid;
    StoredIdentity stored;
  };
  std::vector<Found> found;
  std::vector<int64_t> spoilt;
  directory_->ForEachRecord([&](int64_t slot, RecordSpan record) {
    if (!IsTaken(record)) return;
    auto stored = DecodeIdentity(record);
    std::optional<PageTable> table;
    if (stored) {
      const uint64_t possible = PagesOfBlock(stored->identity.version.size, stored->identity.block);
      table = DecodePages(PagesPartOf(record), stored->hash, possible);
    }
    if (table && table->valid != 0) {
      found.push_back({slot, table->valid, *std::move(stored)});
    } else {
      spoilt.push_back(slot);
    }
  });
  // The oldest first, as they came.
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return a.stored.identity.sequence < b.stored.identity.sequence;
  });
  if (!found.empty()) next_sequence_ = found.back().stored.identity.sequence + 1;
  // Later than all that was, also where a spoilt record hides the last.
  next_sequence_ = std::max<uint64_t>(next_sequence_, clock_.WallMs() * 1000);
  std::vector<bool> taken;
  for (const Found& block : found) {
    if (block.slot >= static_cast<int64_t>(taken.size())) taken.resize(block.slot + 1);
    taken[block.slot] = true;
    RestoreBlock(block.slot, block.stored.identity, block.stored.hash, block.valid);
  }
  if (options_.read_only) return;
  {
    base::MutexLock lock(room_);
    next_slot_ = static_cast<int64_t>(taken.size());
    for (int64_t slot = 0; slot < std::min(next_slot_, slot_limit_); ++slot) {
      if (!taken[slot]) free_slots_.push(static_cast<uint32_t>(slot));
    }
  }
  for (const int64_t slot : spoilt) directory_->ClearRecord(slot);
  // What a crash left in free slots; runs of them at once.
  taken.push_back(true);
  for (size_t slot = 0, start = 0; slot < taken.size(); ++slot) {
    if (!taken[slot]) continue;
    if (slot > start) directory_->Punch(start, slot - start);
    start = slot + 1;
  }
  const auto end = static_cast<int64_t>(taken.size() - 1);
  if (end < config::kMaxCacheSlots) directory_->Punch(end, config::kMaxCacheSlots - end);
  EvictBytes(used_bytes_ - options_.budget_bytes);
}

void DiskCache::RestoreBlock(int64_t slot, const BlockIdentity& identity, uint64_t seed,
                             uint64_t valid) {
  InternedPtr object = objects_->Intern(identity.url, identity.version);
  object->last_used = identity.sequence;
  const uint64_t key = object->BlockKey(identity.block);
  Shard& shard = ShardOf(key);
  Block* replaced = nullptr;
  {
    base::MutexLock lock(shard.mutex);
    // A crash between giving up a slot and clearing its record leaves the block there twice.
    if (const auto it = shard.blocks.find(key); it != shard.blocks.end()) {
      replaced = it->second;
      Unlink(shard, *replaced);
    }
    base::MutexLock room(room_);
    Block* block = NewBlock(static_cast<uint32_t>(slot));
    block->object = object;
    block->index = identity.block;
    block->key = key;
    block->sequence = identity.sequence;
    block->seed = seed;
    block->valid = valid;
    block->linked = true;
    policy_.InsertMain(*block, key, BytesOf(valid));
    used_bytes_ += BytesOf(valid);
    shard.blocks[key] = block;
    if (object->blocks++ == 0) ++object_count_;
    ++block_count_;
  }
  if (replaced != nullptr) Free(*replaced);
}

DiskCache::Block* DiskCache::NewBlock(uint32_t slot) {
  Block* block = nullptr;
  if (spare_blocks_.empty()) {
    block = &blocks_.emplace_back();
  } else {
    block = spare_blocks_.back();
    spare_blocks_.pop_back();
  }
  block->slot = slot;
  return block;
}

ObjectPtr DiskCache::Intern(const std::string& url, const store::Version& version) {
  InternedPtr object = objects_->Intern(url, version);
  object->last_used = next_sequence_++;
  return object;
}

ObjectPtr DiskCache::Find(const std::string& url) const { return objects_->Latest(url); }

DiskCache::Block* DiskCache::FindBlock(Shard& shard, uint64_t key, const InternedObject& object,
                                       int64_t block) {
  const auto it = shard.blocks.find(key);
  if (it == shard.blocks.end()) return nullptr;
  Block* found = it->second;
  return found->object.get() == &object && found->index == block ? found : nullptr;
}

void DiskCache::Unlink(Shard& shard, Block& block) {
  shard.blocks.erase(block.key);
  block.linked = false;
  --block_count_;
  if (--block.object->blocks == 0) --object_count_;
  base::MutexLock room(room_);
  policy_.Remove(block);
}

void DiskCache::Free(Block& block) {
  const int64_t slot = block.slot;
  if (!options_.read_only) {
    directory_->ClearRecord(slot);
    directory_->Punch(slot, 1);
  }
  // Dies outside the lock.
  const InternedPtr object = std::move(block.object);
  const int64_t bytes = BytesOf(block.valid);
  block.valid = block.verified = 0;
  block.seed = 0;
  base::MutexLock room(room_);
  used_bytes_ -= bytes;
  if (slot < slot_limit_) free_slots_.push(static_cast<uint32_t>(slot));
  spare_blocks_.push_back(&block);
}

void DiskCache::Unpin(Shard& shard, Block& block) {
  {
    base::MutexLock lock(shard.mutex);
    if (--block.pins > 0 || block.linked) return;
  }
  Free(block);
}

bool DiskCache::EvictOne() {
  Victim victim;
  {
    base::MutexLock room(room_);
    auto* block = static_cast<Block*>(policy_.Evict());
    if (block == nullptr) return false;
    victim = {block->key, block->sequence};
  }
  Shard& shard = ShardOf(victim.key);
  Block* block = nullptr;
  {
    base::MutexLock lock(shard.mutex);
    const auto it = shard.blocks.find(victim.key);
    // Dropped meanwhile: that made room too.
    if (it == shard.blocks.end() || it->second->sequence != victim.sequence) return true;
    block = it->second;
    if (block->pins > 0) {
      base::MutexLock room(room_);
      policy_.Return(*block, BytesOf(block->valid));
      return false;
    }
    Unlink(shard, *block);
  }
  Free(*block);
  ++evictions_;
  return true;
}

void DiskCache::EvictBytes(int64_t bytes) {
  const int64_t goal = used_bytes_ - bytes;
  int busy = 0;
  while (used_bytes_ > std::max<int64_t>(goal, 0) && busy < config::kMaxBusyVictims) {
    if (!EvictOne()) ++busy;
  }
}

void DiskCache::DropWhere(const std::function<bool(const Block&)>& matches) {
  for (Shard& shard : shards_) {
    std::vector<Block*> unpinned;
    {
      base::MutexLock lock(shard.mutex);
      std::vector<Block*> chosen;
      for (const auto& [key, block] : shard.blocks) {
        if (matches(*block)) chosen.push_back(block);
      }
      for (Block* block : chosen) {
        Unlink(shard, *block);
        if (block->pins == 0) unpinned.push_back(block);
      }
    }
    for (Block* block : unpinned) Free(*block);
  }
}

void DiskCache::Drop(const Object& object) {
  const auto& interned = static_cast<const InternedObject&>(object);
  if (interned.blocks == 0) return;
  const int64_t blocks = (interned.version().size + kBlockBytes - 1) / kBlockBytes;
  if (blocks > block_count_) {
    return DropWhere([&](const Block& block) { return block.object.get() == &interned; });
  }
  for (int64_t index = 0; index < blocks && interned.blocks > 0; ++index) {
    const uint64_t key = interned.BlockKey(index);
    Shard& shard = ShardOf(key);
    Block* block = nullptr;
    {
      base::MutexLock lock(shard.mutex);
      block = FindBlock(shard, key, interned, index);
      if (block == nullptr) continue;
      Unlink(shard, *block);
      if (block->pins > 0) continue;
    }
    Free(*block);
  }
}

void DiskCache::DropUrl(const std::string& url) {
  for (const InternedPtr& object : objects_->RetireUrl(url)) Drop(*object);
}

void DiskCache::DropPrefix(const std::string& prefix) {
  for (const InternedPtr& object : objects_->RetirePrefix(prefix)) Drop(*object);
}

void DiskCache::Clear() {
  DropWhere([](const Block&) { return true; });
}

BlockCacheStats DiskCache::stats() const {
  BlockCacheStats stats{.budget_bytes = options_.budget_bytes,
                        .used_bytes = used_bytes_,
                        .blocks = block_count_,
                        .objects = object_count_,
                        .evictions = evictions_,
                        .corrupt_pages = corrupt_pages_,
                        .write_failures = write_failures_,
                        .disabled_why = {}};
  base::MutexLock lock(gate_mutex_);
  stats.disabled_why = gate_.why();
  return stats;
}

}  // namespace eider::cache
