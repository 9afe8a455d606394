// Reads of objects through the cache: which version, which pages are here, and one GET for those
// that are not, however many ask for them at once.
#pragma once

#include <arrow/result.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cache/block_cache.h"
#include "config/limits.h"
#include "store/object_store.h"

namespace eider::cache {

// How a query uses the cache (the design's cache modes).
enum class Mode {
  kUse,      // read, and fill
  kPassive,  // read what is there, never insert
  kOff,      // neither
  kRefresh,  // ignore what is there, then fill
};

// What a query's reads came to. Thread-safe.
struct ReadCounters {
  std::atomic<int64_t> opens{0};           // objects opened, each counted once in a query
  std::atomic<int64_t> asked_bytes{0};     // that DuckDB asked for
  std::atomic<int64_t> cache_bytes{0};     // of those, from the cache or the query's own memory
  std::atomic<int64_t> hits{0};            // reads that needed no S3
  std::atomic<int64_t> misses{0};          // reads that did
  std::atomic<int64_t> shared_fetches{0};  // waits for a GET that another read had begun
};

class QueryMemory;  // query_memory.h

// What one query carries through its reads, from its first open to its end: the versions it has
// seen (it never reads two of one object), and, where nothing may be kept on disk, the pages it has
// fetched, so that it fetches nothing twice. Thread-safe.
class QueryReads {
 public:
  // `memory_bytes`: the most that it keeps of what it fetched.
  QueryReads(Mode mode, store::Scope scope, int64_t memory_bytes = config::kQueryMemoryBytes);
  ~QueryReads();

  Mode mode() const { return mode_; }
  const store::Scope& scope() const { return scope_; }
  ReadCounters& counters() const { return counters_; }
  const std::shared_ptr<QueryMemory>& memory() const { return memory_; }
  bool reads_blocks() const { return mode_ != Mode::kOff; }
  bool fills_blocks() const { return mode_ == Mode::kUse || mode_ == Mode::kRefresh; }

 private:
  const Mode mode_;
  const store::Scope scope_;  // scope_.costs is never null
  mutable ReadCounters counters_;
  const std::shared_ptr<QueryMemory> memory_;
};

// Where an object is: what both layers need to read it.
struct Source {
  std::shared_ptr<const store::Access> access;
  store::ObjectName name;
  std::string url;  // "s3://bucket/key": the identity of the object, and for messages
};

struct ReaderOptions {
  // How old metadata and lists may be before S3 is asked again, in milliseconds; 0: ask each query;
  // negative: never (immutable data).
  // Lists are never older than kMaxListAgeMs: immutable objects do not make an immutable bucket.
  int64_t revalidate_ms = 10'000;
  int64_t max_fetch_bytes = config::kMaxFetchBytes;           // of one GET
  int64_t max_prefetch_bytes = config::kMaxPrefetchBytes;     // under way that nobody waits for yet
  size_t max_metadata_entries = config::kMaxMetadataEntries;  // the oldest go
  size_t max_listed_keys = config::kMaxListedKeys;            // of one list; else it fails
  // Of all remembered lists, each counted as one more than it has; the newest is always kept.
  size_t max_cached_list_entries = config::kMaxCachedListEntries;
  const base::Clock* clock = nullptr;  // of ages; outlives the reader; null: the system's
};

// Thread-safe. Errors: those of store::ObjectStore. An object that changed under a query is
// STORAGE_UNAVAILABLE and IsObjectChanged(status): its pages and metadata are gone, and the query
// may be run again from its start with a new QueryReads.
class Reader {
 public:
  // `store` is shared; `blocks` may be null: no disk cache.
  Reader(std::shared_ptr<store::ObjectStore> store, std::unique_ptr<BlockCache> blocks,
         ReaderOptions options);
  ~Reader();  // waits for what it has under way, having cancelled it

  // Which end of a new object is read first, and so is fetched with its metadata in one GET.
  enum class Opening { kTail, kHead };
  // Finds the version of an object that `reads` is to see. `known` is what a list said of it not
  // longer ago than revalidate allows: then nothing is asked.
  arrow::Result<ObjectPtr> Open(const Source& source, Opening opening,
                                const std::optional<store::Version>& known, QueryReads& reads);

  // Fills `out` from `offset`. REQUIRES: it lies inside the object.
  arrow::Status Read(const Source& source, const ObjectPtr& object, int64_t offset,
                     std::span<uint8_t> out, QueryReads& reads);

  struct Extent {
    int64_t offset = 0;
    int64_t length = 0;
  };
  // Starts fetching what of `extents` is not here, and returns; reads that come for it wait for it.
  // Does nothing past max_prefetch_bytes. Failures show in those reads alone.
  void Prefetch(const Source& source, const ObjectPtr& object, const std::vector<Extent>& extents,
                QueryReads& reads);

  // All keys under a prefix, every page of them, not older than revalidate allows.
  struct Listing {
    std::vector<store::ListPage::Entry> entries;
    std::vector<std::string> prefixes;
    bool whole = true;  // false: given up, and then there is nothing in it
  };
  // Asked after each page but the last, with all that came so far: false gives the list up. What it
  // says goes by the list's request (its url among it) and pages alone: it is remembered with them.
  using GoOn = std::function<bool(const Listing& so_far)>;
  arrow::Result<std::shared_ptr<const Listing>> List(const store::ListRequest& request,
                                                     QueryReads& reads, const GoOn& go_on = {});

  // Forgets pages, metadata and lists of what a write has replaced: an object's URL, or (with
  // `prefix`) everything under one.
  void Invalidate(const std::string& url, bool prefix);
  void Clear();

  BlockCacheStats stats() const;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

bool IsObjectChanged(const arrow::Status& status);

}  // namespace eider::cache
