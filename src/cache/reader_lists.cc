// Lists of keys, which have an age as versions have.
#include <utility>

#include "base/error.h"
#include "cache/reader_impl.h"

namespace eider::cache {
namespace {

using base::ErrorCode;
using base::MakeError;

std::string KeyOf(const store::ListRequest& request) {
  return request.access->endpoint + '\n' + request.access->key_id + '\n' + request.bucket + '\n' +
         request.prefix + '\n' + request.delimiter;
}

// A list that was given up is remembered for who would give it up again.
std::string GivenUpKeyOf(const std::string& key, const store::ListRequest& request) {
  return key + '\n' + request.url;
}

}  // namespace

std::shared_ptr<const Reader::Listing> Reader::Impl::KnownList(const std::string& key,
                                                               QueryReads& reads) {
  if (auto listing = reads.memory()->Listed(key)) return listing;
  if (reads.mode() == Mode::kOff || reads.mode() == Mode::kRefresh) return nullptr;
  const auto there = lists_.find(key);
  if (there == lists_.end() || !IsListFresh(there->second.asked_at_ms)) return nullptr;
  reads.memory()->List(key, there->second.listing);
  return there->second.listing;
}

arrow::Result<std::shared_ptr<const Reader::Listing>> Reader::Impl::List(
    const store::ListRequest& request, QueryReads& reads, const GoOn& go_on) {
  const std::string key = KeyOf(request);
  const std::string given_up_key = GivenUpKeyOf(key, request);
  const store::Scope& scope = reads.scope();
  const std::stop_callback wake(scope.stop, [this] {
    base::MutexLock lock(mutex_);
    listed_.NotifyAll();
  });
  int64_t invalidations = 0;
  {
    base::MutexLock lock(mutex_);
    while (true) {
      if (auto listing = KnownList(key, reads)) return listing;
      if (auto listing = go_on ? KnownList(given_up_key, reads) : nullptr) return listing;
      if (listing_.insert(key).second) break;
      // Somebody asks for it: the answer may do for both.
      ++reads.counters().shared_fetches;
      while (listing_.contains(key)) {
        if (scope.stop.stop_requested()) return GivenUp(scope, request.url);
        if (scope.deadline == TimePoint::max()) {
          listed_.Wait(mutex_);
        } else if (!listed_.WaitUntil(mutex_, scope.deadline)) {
          return GivenUp(scope, request.url);
        }
      }
    }
    invalidations = invalidations_;
  }
  const int64_t asked_at_ms = clock_.MonotonicMs();
  const arrow::Result<std::shared_ptr<Listing>> listing = ListAll(request, reads, go_on);
  base::MutexLock lock(mutex_);
  listing_.erase(key);
  listed_.NotifyAll();
  ARROW_RETURN_NOT_OK(listing.status());
  const std::string& known_as = (*listing)->whole ? key : given_up_key;
  reads.memory()->List(known_as, *listing);
  if (reads.mode() != Mode::kOff && invalidations == invalidations_) {
    RememberList(known_as, {request.bucket + '/' + request.prefix, *listing, asked_at_ms});
  }
  return std::shared_ptr<const Listing>(*listing);
}

arrow::Result<std::shared_ptr<Reader::Listing>> Reader::Impl::ListAll(store::ListRequest request,
                                                                      const QueryReads& reads,
                                                                      const GoOn& go_on) {
  auto listing = std::make_shared<Listing>();
  do {
    ARROW_ASSIGN_OR_RAISE(store::ListPage page, store_->List(request, reads.scope()));
    std::move(page.entries.begin(), page.entries.end(), std::back_inserter(listing->entries));
    std::move(page.prefixes.begin(), page.prefixes.end(), std::back_inserter(listing->prefixes));
    if (listing->entries.size() + listing->prefixes.size() > options_.max_listed_keys) {
      return MakeError(ErrorCode::kResourceExhausted,
                       request.url + " covers more than " +
                           std::to_string(options_.max_listed_keys) +
                           " objects: name a longer prefix before the first wildcard");
    }
    request.continuation = std::move(page.continuation);
    if (go_on && !request.continuation.empty() && !go_on(*listing)) {
      *listing = Listing{.whole = false};
      return listing;
    }
  } while (!request.continuation.empty());
  return listing;
}

void Reader::Impl::RememberList(const std::string& key, CachedList list) {
  const size_t max = options_.max_cached_list_entries;
  const auto there = lists_.find(key);
  if (there != lists_.end()) listed_entries_ -= there->second.entries();
  listed_entries_ += list.entries();
  if (there == lists_.end()) list_age_.push_back(key);
  lists_[key] = std::move(list);
  // A forgotten list that came back stands in `list_age_` twice: it goes early, which costs one
  // request.
  while (list_age_.size() > 1 && (listed_entries_ > max || list_age_.size() > 2 * max)) {
    if (const auto oldest = lists_.find(list_age_.front()); oldest != lists_.end()) {
      listed_entries_ -= oldest->second.entries();
      lists_.erase(oldest);
    }
    list_age_.pop_front();
  }
}

}  // namespace eider::cache
