// Pages of objects on the worker's own disk. Design section 5; the file format is in format.h.
//
// A block is an aligned 1 MiB of one version of an object: the unit of storage and eviction. A page
// is 16 KiB of it: the unit that is valid or not, is checksummed and fetched. The memory tier is
// the kernel's page cache.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/clock.h"
#include "store/object_store.h"

namespace eider::cache {

inline constexpr int64_t kPageBytes = 16 * 1024;
inline constexpr int64_t kBlockBytes = 1024 * 1024;
inline constexpr int kPagesPerBlock = kBlockBytes / kPageBytes;
static_assert(kPagesPerBlock == 64, "a block's pages are the bits of one word");

// One version of one object, interned: equal identities give the same Object. Immutable.
class Object {
 public:
  virtual ~Object() = default;
  virtual const std::string& url() const = 0;
  virtual const store::Version& version() const = 0;
};
using ObjectPtr = std::shared_ptr<const Object>;

struct BlockCacheStats {
  int64_t budget_bytes = 0;
  int64_t used_bytes = 0;  // of valid pages, each counted whole
  int64_t blocks = 0;
  int64_t objects = 0;        // versions with at least one block
  int64_t evictions = 0;      // blocks, since the start
  int64_t corrupt_pages = 0;  // found and dropped since the start
  int64_t write_failures = 0;
  std::string disabled_why;  // empty: it takes pages
};

// Thread-safe. What goes wrong with the disk never fails a query: a page that cannot be read is not
// there, one that cannot be written is not kept; a disk that is full or failing turns writing off,
// with a warning in the log, until it has room again.
class BlockCache {
 public:
  struct Options {
    std::string dir;           // made where missing
    int64_t budget_bytes = 0;  // of pages; at least one block
    int reserve_percent = 5;   // of the file system, kept free
    bool read_only = false;    // looks without the lock, while another may write; writes nothing
    const base::Clock* clock = nullptr;  // outlives the cache; null: the system's
  };
  // Takes the directory's lock, reads the index (not the data) and keeps every good block, the most
  // recent ones where the budget has shrunk. Errors: INVALID_QUERY naming the directory where
  // another process has it (with its pid), it is of a newer format, or it cannot be written: the
  // caller may go on without a cache.
  static arrow::Result<std::unique_ptr<BlockCache>> Open(const Options& options);
  virtual ~BlockCache() = default;

  // The calls below that take an Object REQUIRE one of this cache's own.

  // Also counts as a use of the version, for Find().
  virtual ObjectPtr Intern(const std::string& url, const store::Version& version) = 0;
  // The version of `url` that was interned last (before a restart: written last) and has pages
  // here, if any: after a restart this is what S3 is asked about.
  virtual ObjectPtr Find(const std::string& url) const = 0;

  // Bit i: page i of the block is here. Counts as a use of the block.
  virtual uint64_t Pages(const Object& object, int64_t block) = 0;
  // Copies bytes [offset, offset + out.size()) of the object, which lie in one block. False where a
  // page is missing, or was corrupt: that one is dropped.
  virtual bool Read(const Object& object, int64_t offset, std::span<uint8_t> out) = 0;
  // Keeps whole pages of one block: `offset` is page-aligned, and so is the end unless it is the
  // object's. Pages that are there already are left alone. May evict others. Blocks for the disk.
  // An object whose URL and ETag are together longer than kMaxNameBytes (format.h) is not kept.
  virtual void Write(const Object& object, int64_t offset, std::span<const uint8_t> bytes) = 0;

  // Forgets what is here now. Reads that have begun end well; writes that have begun may leave
  // their pages behind.
  virtual void Drop(const Object& object) = 0;
  virtual void Clear() = 0;
  // Forgets every version of a URL, or of all URLs that begin with `prefix`, for good: Objects of
  // theirs that are still held take no more pages, so that a fetch that had begun before a write
  // does not bring back what it replaced. Intern gives new ones.
  virtual void DropUrl(const std::string& url) = 0;
  virtual void DropPrefix(const std::string& prefix) = 0;

  virtual BlockCacheStats stats() const = 0;
};

}  // namespace eider::cache
