// Reading blocks: hot where their pages were verified before, judged by checksum where not.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <bit>

#include "cache/disk_cache.h"

namespace eider::cache {
namespace {

// The pages that bytes [offset, offset + length) of a block touch.
uint64_t PagesTouched(int64_t offset, int64_t length) {
  const auto first = static_cast<int>(offset / kPageBytes);
  const auto last = static_cast<int>((offset + length - 1) / kPageBytes);
  return PageRange(first, last - first + 1);
}

}  // namespace

uint64_t DiskCache::Pages(const Object& object, int64_t block) {
  const auto& interned = static_cast<const InternedObject&>(object);
  const uint64_t key = interned.BlockKey(block);
  Shard& shard = ShardOf(key);
  base::MutexLock lock(shard.mutex);
  Block* found = FindBlock(shard, key, interned, block);
  if (found == nullptr) return 0;
  found->Use(insertions_);
  return found->valid;
}

bool DiskCache::Read(const Object& object, int64_t offset, std::span<uint8_t> out) {
  const auto& interned = static_cast<const InternedObject&>(object);
  const auto length = static_cast<int64_t>(out.size());
  const int64_t size = interned.version().size;
  if (offset < 0 || length > size || offset > size - length) return false;
  if (length == 0) return true;
  const int64_t index = offset / kBlockBytes;
  const int64_t in_block = offset - index * kBlockBytes;
  if (in_block + length > kBlockBytes) return false;
  const uint64_t pages = PagesTouched(in_block, length);
  const uint64_t key = interned.BlockKey(index);
  Shard& shard = ShardOf(key);
  Block* block = nullptr;
  uint64_t unverified = 0;
  {
    base::MutexLock lock(shard.mutex);
    block = FindBlock(shard, key, interned, index);
    if (block == nullptr || (block->valid & pages) != pages) return false;
    unverified = pages & ~block->verified;
    ++block->pins;
  }
  bool good = unverified == 0 || Verify(shard, *block, unverified);
  if (good && !directory_->ReadData(block->slot, in_block, out)) {
    good = false;
    ForgetUnreadable(shard, *block, pages);
  }
  Unpin(shard, *block);
  return good;
}

bool DiskCache::Verify(Shard& shard, Block& block, uint64_t pages) {
  {
    base::MutexLock lock(shard.mutex);
    while (block.busy) shard.idle.Wait(shard.mutex);
    pages &= ~block.verified;
    if (pages == 0) return true;
    if ((block.valid & pages) != pages) return false;
    block.busy = true;
  }
  PagesPart part;
  std::optional<PageTable> table;
  const uint64_t possible = PagesOfBlock(block.object->version().size, block.index);
  if (directory_->ReadPagesPart(block.slot, part)) table = DecodePages(part, block.seed, possible);
  const uint64_t good = table ? CheckPages(block, *table, pages & table->valid) : 0;
  if (table && good != pages && !options_.read_only) {
    // Without this the next start would find them bad again, no worse.
    table->valid &= ~(pages & ~good);
    directory_->WritePagesPart(block.slot, EncodePages(*table, block.seed));
  }
  base::MutexLock lock(shard.mutex);
  block.busy = false;
  shard.idle.NotifyAll();
  // While another process may change the file, nothing stays verified.
  if (!options_.read_only) block.verified |= good;
  if (good != pages) {
    const uint64_t bad = table ? pages & ~good : block.valid;
    corrupt_pages_ += std::popcount(bad);
    if (!options_.read_only) {
      spdlog::warn("the cache directory {} holds {} corrupt pages of {}; they are dropped",
                   options_.dir, std::popcount(bad), block.object->url());
    }
    DropPages(shard, block, bad);
  }
  return good == pages;
}

uint64_t DiskCache::CheckPages(const Block& block, const PageTable& table, uint64_t pages) const {
  std::array<uint8_t, kPageBytes> bytes;
  uint64_t good = 0;
  for (int page = 0; page < kPagesPerBlock; ++page) {
    if ((pages >> page & 1) == 0) continue;
    const int64_t length = PageLength(block.object->version().size, block.index, page);
    const std::span<uint8_t> read = std::span(bytes).first(length);
    if (!directory_->ReadData(block.slot, page * kPageBytes, read)) continue;
    if (PageChecksum(read, block.seed, page) == table.checksums[page]) good |= PageRange(page, 1);
  }
  return good;
}

void DiskCache::DropPages(Shard& shard, Block& block, uint64_t pages) {
  const uint64_t gone = block.valid & pages;
  if (gone == 0) return;
  block.valid &= ~gone;
  block.verified &= ~gone;
  {
    base::MutexLock room(room_);
    used_bytes_ -= std::popcount(gone) * kPageBytes;
    if (block.queued()) policy_.Resize(block, std::popcount(block.valid) * kPageBytes);
  }
  if (block.valid == 0 && block.linked) Unlink(shard, block);
}

// The disk does not give what was verified or written before: the pages go.
void DiskCache::ForgetUnreadable(Shard& shard, Block& block, uint64_t pages) {
  spdlog::warn("the cache directory {} lost pages of {}; they are dropped", options_.dir,
               block.object->url());
  base::MutexLock lock(shard.mutex);
  while (block.busy) shard.idle.Wait(shard.mutex);
  corrupt_pages_ += std::popcount(block.valid & pages);
  DropPages(shard, block, pages);
}

}  // namespace eider::cache
