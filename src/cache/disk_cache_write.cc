// Writing blocks: room first, then the pages' bytes, then the record that says that they are here.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "cache/disk_cache.h"
#include "config/limits.h"

namespace eider::cache {
namespace {

int64_t BytesOf(uint64_t pages) { return std::popcount(pages) * kPageBytes; }

}  // namespace

void DiskCache::Write(const Object& object, int64_t offset, std::span<const uint8_t> bytes) {
  // Objects are handed out as const: their counters are the cache's own.
  auto& interned = const_cast<InternedObject&>(static_cast<const InternedObject&>(object));
  const int64_t size = interned.version().size;
  const auto length = static_cast<int64_t>(bytes.size());
  if (options_.read_only || interned.retired || !FitsRecord(interned.url(), interned.version())) {
    return;
  }
  if (length == 0 || offset < 0 || offset % kPageBytes != 0 || offset > size - length) return;
  const int64_t index = offset / kBlockBytes;
  const int64_t start = offset - index * kBlockBytes;
  const bool whole = length % kPageBytes == 0 || offset + length == size;
  if (!whole || start + length > kBlockBytes) return;
  const uint64_t pages = PageRange(static_cast<int>(start / kPageBytes),
                                   static_cast<int>((length + kPageBytes - 1) / kPageBytes));
  Shard& shard = ShardOf(interned.BlockKey(index));
  uint64_t missing = 0;
  Block* block = Claim(shard, interned, index, pages, missing);
  if (block == nullptr) return;
  const bool written = WritePages(*block, missing, start, bytes);
  NoteWrite(written, errno);
  EndWrite(shard, *block, written ? missing : 0, BytesOf(missing));
}

DiskCache::Block* DiskCache::Claim(Shard& shard, InternedObject& object, int64_t index,
                                   uint64_t pages, uint64_t& missing) {
  const uint64_t key = object.BlockKey(index);
  Block* block = nullptr;
  bool here = false;
  {
    base::MutexLock lock(shard.mutex);
    block = FindBlock(shard, key, object, index);
    here = block != nullptr;
    if (!here && shard.blocks.contains(key)) return nullptr;  // a collision
    missing = here ? pages & ~block->valid : pages;
    if (missing == 0) return nullptr;
  }
  // From a guess, without the lock: the block may change until it is ours.
  const int64_t reserved = BytesOf(missing);
  if (!MayWrite(reserved)) return nullptr;
  Block* fresh = nullptr;
  if (!Reserve(reserved, !here, &fresh)) return nullptr;
  bool retired = false;
  {
    base::MutexLock lock(shard.mutex);
    block = FindBlock(shard, key, object, index);
    while (block != nullptr && block->busy) {
      shard.idle.Wait(shard.mutex);
      block = FindBlock(shard, key, object, index);
    }
    retired = object.retired;
    if (block == nullptr && fresh != nullptr && !retired && !shard.blocks.contains(key)) {
      block = std::exchange(fresh, nullptr);
      block->object = std::static_pointer_cast<InternedObject>(object.shared_from_this());
      block->index = index;
      block->key = key;
      block->sequence = next_sequence_++;
      block->linked = true;
      shard.blocks[key] = block;
      if (object.blocks++ == 0) ++object_count_;
      ++block_count_;
    }
    const uint64_t left = block == nullptr || retired ? 0 : missing & ~block->valid;
    missing = left;
    if (left != 0) {
      block->busy = true;
      ++block->pins;
    }
  }
  base::MutexLock room(room_);
  used_bytes_ -= reserved - BytesOf(missing);
  if (fresh != nullptr) {
    free_slots_.push(fresh->slot);
    spare_blocks_.push_back(fresh);
  }
  return missing != 0 ? block : nullptr;
}

bool DiskCache::Reserve(int64_t bytes, bool with_slot, Block** block) {
  for (int busy = 0; busy < config::kMaxBusyVictims;) {
    {
      base::MutexLock room(room_);
      const bool has_slot = !free_slots_.empty() || next_slot_ < slot_limit_;
      if (used_bytes_ + bytes <= options_.budget_bytes && (has_slot || !with_slot)) {
        used_bytes_ += bytes;
        if (!with_slot) return true;
        auto slot = static_cast<uint32_t>(next_slot_);
        if (free_slots_.empty()) {
          ++next_slot_;
        } else {
          slot = free_slots_.top();
          free_slots_.pop();
        }
        *block = NewBlock(slot);
        return true;
      }
    }
    if (!EvictOne()) ++busy;
  }
  return false;
}

bool DiskCache::WritePages(Block& block, uint64_t missing, int64_t start,
                           std::span<const uint8_t> bytes) {
  errno = 0;
  // Runs of pages, each by one call.
  for (int page = 0; page < kPagesPerBlock;) {
    const int run = std::countr_one(missing >> page);
    if (run == 0) {
      ++page;
      continue;
    }
    const int64_t from = page * kPageBytes - start;
    const int64_t end = std::min<int64_t>(from + run * kPageBytes, bytes.size());
    if (!directory_->WriteData(block.slot, page * kPageBytes, bytes.subspan(from, end - from))) {
      const int error = errno;
      directory_->PunchPages(block.slot, missing);
      errno = error;
      return false;
    }
    page += run;
  }
  return WriteTable(block, missing, start, bytes);
}

bool DiskCache::WriteTable(Block& block, uint64_t missing, int64_t start,
                           std::span<const uint8_t> bytes) {
  Record record{};
  PageTable table;
  const bool fresh = block.seed == 0;
  if (fresh) {
    block.seed = EncodeIdentity({.url = block.object->url(),
                                 .version = block.object->version(),
                                 .block = block.index,
                                 .sequence = block.sequence},
                                record);
  } else {
    PagesPart part;
    const uint64_t possible = PagesOfBlock(block.object->version().size, block.index);
    std::optional<PageTable> stored;
    if (directory_->ReadPagesPart(block.slot, part)) {
      stored = DecodePages(part, block.seed, possible);
    }
    // Spoilt by somebody else: what is verified here is read on, and is not there after a restart.
    if (stored) table = *stored;
  }
  for (int page = 0; page < kPagesPerBlock; ++page) {
    if ((missing >> page & 1) == 0) continue;
    const size_t from = page * kPageBytes - start;
    const size_t length = std::min<size_t>(kPageBytes, bytes.size() - from);
    table.checksums[page] = PageChecksum(bytes.subspan(from, length), block.seed, page);
  }
  table.valid |= missing;
  const PagesPart part = EncodePages(table, block.seed);
  if (!fresh) return directory_->WritePagesPart(block.slot, part);
  std::copy(part.begin(), part.end(), record.begin() + kPagesPartOffset);
  return directory_->WriteRecord(block.slot, record);
}

void DiskCache::EndWrite(Shard& shard, Block& block, uint64_t written, int64_t reserved_bytes) {
  {
    base::MutexLock lock(shard.mutex);
    block.busy = false;
    block.valid |= written;
    block.verified |= written;
    shard.idle.NotifyAll();
    if (block.valid == 0 && block.linked) Unlink(shard, block);
    base::MutexLock room(room_);
    used_bytes_ -= reserved_bytes - BytesOf(written);
    if (block.linked && written != 0) {
      // One that was chosen to leave while it was busy comes back by itself (EvictOne).
      if (block.queued()) {
        policy_.Resize(block, BytesOf(block.valid));
      } else if (block.valid == written) {
        policy_.Insert(block, block.key, BytesOf(block.valid));
      }
    }
  }
  Unpin(shard, block);
}

bool DiskCache::MayWrite(int64_t bytes) {
  const int64_t now_ms = clock_.MonotonicMs();
  int64_t deficit = 0;
  {
    base::MutexLock lock(gate_mutex_);
    if (!gate_.MayWrite(now_ms)) return false;
    if (!gate_.SpaceCheckDue(now_ms, bytes)) return true;
    deficit = gate_.Deficit(directory_->Space(), bytes);
    if (deficit == 0) return true;
  }
  EvictBytes(deficit);
  {
    base::MutexLock lock(gate_mutex_);
    if (gate_.Deficit(directory_->Space(), bytes) == 0) return true;
  }
  StopWriting(config::kCacheFullRetryMs, "its file system has less than " +
                                             std::to_string(options_.reserve_percent) +
                                             "% free, which is kept for others");
  return false;
}

void DiskCache::NoteWrite(bool good, int error) {
  if (!good) {
    ++write_failures_;
    const bool full = error == ENOSPC || error == EDQUOT;
    return StopWriting(full ? config::kCacheFullRetryMs : config::kCacheWriteRetryMs,
                       std::string("it cannot be written: ") + std::strerror(error));
  }
  base::MutexLock lock(gate_mutex_);
  if (gate_.Succeeded()) spdlog::info("the cache directory {} takes pages again", options_.dir);
}

void DiskCache::StopWriting(int64_t pause_ms, std::string why) {
  base::MutexLock lock(gate_mutex_);
  if (gate_.Stop(clock_.MonotonicMs(), pause_ms, why)) {
    spdlog::warn("the cache directory {} takes no pages for now: {}", options_.dir, why);
  }
}

}  // namespace eider::cache
