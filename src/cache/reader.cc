#include "cache/reader.h"

#include <iterator>
#include <utility>

#include "base/error.h"
#include "cache/no_blocks.h"
#include "cache/query_memory.h"
#include "cache/reader_impl.h"

namespace eider::cache {
namespace {

// Ends the message of an error by which IsObjectChanged() knows it.
constexpr char kChangedWhileRead[] = "changed while it was read";

}  // namespace

arrow::Status ObjectChanged(const std::string& url) {
  return base::MakeError(base::ErrorCode::kStorageUnavailable, url + " " + kChangedWhileRead);
}

bool IsObjectChanged(const arrow::Status& status) {
  return !status.ok() && base::ErrorOf(status).message.ends_with(kChangedWhileRead);
}

QueryReads::QueryReads(Mode mode, store::Scope scope, int64_t memory_bytes)
    : mode_(mode),
      scope_([&] {
        if (scope.costs == nullptr) scope.costs = std::make_shared<store::Costs>();
        return std::move(scope);
      }()),
      memory_(std::make_shared<QueryMemory>(memory_bytes)) {}

QueryReads::~QueryReads() = default;

Reader::Reader(std::shared_ptr<store::ObjectStore> store, std::unique_ptr<BlockCache> blocks,
               ReaderOptions options)
    : impl_(std::make_unique<Impl>(std::move(store), std::move(blocks), options)) {}

Reader::~Reader() = default;

arrow::Result<ObjectPtr> Reader::Open(const Source& source, Opening opening,
                                      const std::optional<store::Version>& known,
                                      QueryReads& reads) {
  return impl_->Open(source, opening, known, reads);
}

arrow::Status Reader::Read(const Source& source, const ObjectPtr& object, int64_t offset,
                           std::span<uint8_t> out, QueryReads& reads) {
  return impl_->Read(source, object, offset, out, reads);
}

void Reader::Prefetch(const Source& source, const ObjectPtr& object,
                      const std::vector<Extent>& extents, QueryReads& reads) {
  impl_->Prefetch(source, object, extents, reads);
}

arrow::Result<std::shared_ptr<const Reader::Listing>> Reader::List(
    const store::ListRequest& request, QueryReads& reads, const GoOn& go_on) {
  return impl_->List(request, reads, go_on);
}

void Reader::Invalidate(const std::string& url, bool prefix) { impl_->Invalidate(url, prefix); }
void Reader::Clear() { impl_->Clear(); }
BlockCacheStats Reader::stats() const { return impl_->stats(); }

Reader::Impl::Impl(std::shared_ptr<store::ObjectStore> store, std::unique_ptr<BlockCache> blocks,
                   ReaderOptions options)
    : store_(std::move(store)),
      blocks_(blocks ? std::move(blocks) : std::make_unique<NoBlocks>()),
      has_blocks_(dynamic_cast<NoBlocks*>(blocks_.get()) == nullptr),
      options_(options),
      clock_(options.clock != nullptr ? *options.clock : system_clock_),
      metadata_(options.max_metadata_entries),
      writer_(std::make_unique<PageWriter>(
          *blocks_, [this](const FlightPtr& flight) { EndWrite(flight); })) {}

Reader::Impl::~Impl() {
  std::vector<FlightPtr> all;
  {
    base::MutexLock lock(mutex_);
    for (const auto& [url, flight] : opens_) all.push_back(flight);
    for (const auto& [object, flights] : flights_) {
      all.insert(all.end(), flights.begin(), flights.end());
    }
  }
  for (const FlightPtr& flight : all) flight->Abort();
  under_way_.WaitForNone();
}

bool Reader::Impl::IsFresh(int64_t asked_at_ms) const {
  if (options_.revalidate_ms < 0) return true;
  return clock_.MonotonicMs() - asked_at_ms < options_.revalidate_ms;
}

bool Reader::Impl::IsListFresh(int64_t asked_at_ms) const {
  const int64_t age_ms =
      options_.revalidate_ms < 0 ? config::kMaxListAgeMs : options_.revalidate_ms;
  return clock_.MonotonicMs() - asked_at_ms < age_ms;
}

void Reader::Impl::Invalidate(const std::string& url, bool prefix) {
  const auto concerns = [&](const std::string& other) {
    return prefix ? other.starts_with(url) : other == url;
  };
  {
    base::MutexLock lock(mutex_);
    ++invalidations_;
    if (prefix) {
      metadata_.ErasePrefix(url);
    } else {
      metadata_.Erase(url);
    }
    std::erase_if(opens_, [&](const auto& open) {
      if (concerns(open.first)) open.second->Spoil();
      return concerns(open.first);
    });
    for (const auto& [object, flights] : flights_) {
      if (!concerns(object->url())) continue;
      for (const FlightPtr& flight : flights) flight->Spoil();
    }
    // A list's place has no scheme: "bucket/prefix".
    const size_t scheme = url.find("://");
    const std::string place = scheme == std::string::npos ? url : url.substr(scheme + 3);
    for (auto list = lists_.begin(); list != lists_.end();) {
      const std::string& covered = list->second.place;
      const bool related = place.starts_with(covered) || (prefix && covered.starts_with(place));
      if (related) listed_entries_ -= list->second.entries();
      list = related ? lists_.erase(list) : std::next(list);
    }
    std::deque<std::string> kept;
    for (std::string& key : list_age_) {
      if (lists_.contains(key)) kept.push_back(std::move(key));
    }
    list_age_ = std::move(kept);
  }
  if (prefix) {
    blocks_->DropPrefix(url);
  } else {
    blocks_->DropUrl(url);
  }
}

void Reader::Impl::Clear() {
  {
    base::MutexLock lock(mutex_);
    ++invalidations_;
    metadata_.Clear();
    lists_.clear();
    list_age_.clear();
    listed_entries_ = 0;
    for (const auto& [url, flight] : opens_) flight->Spoil();
    opens_.clear();
    for (const auto& [object, flights] : flights_) {
      for (const FlightPtr& flight : flights) flight->Spoil();
    }
  }
  blocks_->Clear();
}

}  // namespace eider::cache
