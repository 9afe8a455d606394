// The reader's parts: opens (reader_open.cc), pages (reader_pages.cc), lists (reader_lists.cc).
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "cache/flight.h"
#include "cache/metadata.h"
#include "cache/page_writer.h"
#include "cache/query_memory.h"
#include "cache/reader.h"
#include "store/in_flight.h"

namespace eider::cache {

class Reader::Impl {
 public:
  Impl(std::shared_ptr<store::ObjectStore> store, std::unique_ptr<BlockCache> blocks,
       ReaderOptions options);
  ~Impl();

  arrow::Result<ObjectPtr> Open(const Source& source, Opening opening,
                                const std::optional<store::Version>& known, QueryReads& reads);
  arrow::Status Read(const Source& source, const ObjectPtr& object, int64_t offset,
                     std::span<uint8_t> out, QueryReads& reads);
  void Prefetch(const Source& source, const ObjectPtr& object, const std::vector<Extent>& extents,
                QueryReads& reads);
  arrow::Result<std::shared_ptr<const Listing>> List(const store::ListRequest& request,
                                                     QueryReads& reads, const GoOn& go_on);
  void Invalidate(const std::string& url, bool prefix);
  void Clear();
  BlockCacheStats stats() const { return blocks_->stats(); }

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct CachedList {
    std::string place;  // "bucket/prefix": what it covers
    std::shared_ptr<const Listing> listing;
    int64_t asked_at_ms = 0;
    // What it counts for: an empty one takes room too.
    size_t entries() const { return 1 + listing->entries.size() + listing->prefixes.size(); }
  };
  // An extent of a read, and the flight that brings it; null: it is here by now.
  struct Awaited {
    Extent extent;
    FlightPtr flight;
    bool ours = false;    // this call has begun it, and starts its request
    bool landed = false;  // when it was found: its bytes are here as those of the cache are
  };

  bool IsFresh(int64_t asked_at_ms) const;
  bool IsListFresh(int64_t asked_at_ms) const;

  // Opens.
  ObjectPtr KnownHere(const std::string& url, const std::optional<store::Version>& known,
                      const QueryReads& reads) EIDER_REQUIRES(mutex_);
  FlightPtr JoinOpen(const Source& source, Opening opening, const QueryReads& reads,
                     std::optional<store::GetRequest>* request) EIDER_REQUIRES(mutex_);
  store::GetRequest OpeningRequest(const Source& source, Opening opening, const QueryReads& reads,
                                   ObjectPtr* base) EIDER_REQUIRES(mutex_);
  arrow::Result<ObjectPtr> AwaitOpen(const FlightPtr& flight, QueryReads& reads);
  void LeaveOpen(const FlightPtr& flight);
  void EndOpen(const FlightPtr& flight, arrow::Result<store::GetResult> result);
  // Keeps what the opening GET brought, where it will be looked for.
  void KeepOpening(const Flight& open, const ObjectPtr& object, const store::GetResult& result);

  // Pages. Copies what is here into `out`, and gives the page-aligned extents that are not.
  std::vector<Extent> ReadHere(const ObjectPtr& object, int64_t offset, std::span<uint8_t> out,
                               const QueryReads& reads);
  void ReadBlock(const Object& object, int64_t offset, std::span<uint8_t> out,
                 const QueryReads& reads, std::vector<Extent>* missing);
  bool IsHere(const Object& object, int64_t page, const QueryReads& reads);
  std::vector<Awaited> JoinFlights(const Source& source, const ObjectPtr& object,
                                   const std::vector<Extent>& missing, const QueryReads& reads,
                                   bool ahead);
  Awaited JoinFlight(const Source& source, const ObjectPtr& object, Extent extent,
                     const QueryReads& reads) EIDER_REQUIRES(mutex_);
  void StartFetch(const Source& source, const FlightPtr& flight, const QueryReads& reads,
                  bool ahead);
  void EndFetch(const FlightPtr& flight, bool ahead, arrow::Result<store::GetResult> result);
  arrow::Status Await(const Source& source, const std::vector<Awaited>& awaited,
                      const ObjectPtr& object, int64_t offset, std::span<uint8_t> out,
                      QueryReads& reads);
  void Forget(const FlightPtr& flight);
  void Erase(const FlightPtr& flight) EIDER_REQUIRES(mutex_);
  // Ends a flight whose pages the disk did not take: gives them to all who took part, whose last
  // may come while it does.
  void GiveAndForget(const FlightPtr& flight);
  // Its pages were written, if the disk took them.
  void EndWrite(const FlightPtr& flight);

  // Lists.
  arrow::Result<std::shared_ptr<Listing>> ListAll(store::ListRequest request,
                                                  const QueryReads& reads, const GoOn& go_on);
  // One that this query has, or any of these may have.
  std::shared_ptr<const Listing> KnownList(const std::string& key, QueryReads& reads)
      EIDER_REQUIRES(mutex_);
  void RememberList(const std::string& key, CachedList list) EIDER_REQUIRES(mutex_);

  const std::shared_ptr<store::ObjectStore> store_;
  const std::unique_ptr<BlockCache> blocks_;
  const bool has_blocks_;
  const ReaderOptions options_;
  const base::SystemClock system_clock_;
  const base::Clock& clock_;

  base::Mutex refreshing_;  // before mutex_
  base::Mutex mutex_;
  std::unordered_map<std::string, FlightPtr> opens_ EIDER_GUARDED_BY(mutex_);
  std::unordered_map<const Object*, std::vector<FlightPtr>> flights_ EIDER_GUARDED_BY(mutex_);
  int64_t prefetch_bytes_ EIDER_GUARDED_BY(mutex_) = 0;
  Metadata metadata_ EIDER_GUARDED_BY(mutex_);
  std::unordered_map<std::string, CachedList> lists_ EIDER_GUARDED_BY(mutex_);
  std::deque<std::string> list_age_ EIDER_GUARDED_BY(mutex_);
  size_t listed_entries_ EIDER_GUARDED_BY(mutex_) = 0;      // of lists_
  std::set<std::string> listing_ EIDER_GUARDED_BY(mutex_);  // lists being asked for
  base::CondVar listed_;
  int64_t invalidations_ EIDER_GUARDED_BY(mutex_) = 0;

  store::InFlight under_way_;
  std::unique_ptr<PageWriter> writer_;  // last: it ends first
};

// What a query is told whose object was replaced while it read it.
arrow::Status ObjectChanged(const std::string& url);

}  // namespace eider::cache
