// Which version of an object a query sees.
#include <algorithm>
#include <utility>

#include "base/error.h"
#include "cache/reader_impl.h"

namespace eider::cache {
namespace {

bool IsMissing(const arrow::Status& status) {
  return base::ErrorOf(status).code == base::ErrorCode::kNotFound;
}

// An ETag as a server gave it; what the store makes up where there is none has no quotes.
bool IsRealTag(const std::string& etag) { return etag.ends_with('"'); }

}  // namespace

arrow::Result<ObjectPtr> Reader::Impl::Open(const Source& source, Opening opening,
                                            const std::optional<store::Version>& known,
                                            QueryReads& reads) {
  QueryMemory& memory = *reads.memory();
  const auto pin = [&](ObjectPtr object) {
    const auto [pinned, fresh] = memory.Pin(source.url, std::move(object));
    if (fresh) ++reads.counters().opens;
    return pinned;
  };
  if (reads.mode() == Mode::kRefresh) {
    // Who opens beside the first waits until all is forgotten: what it began would be forgotten
    // too.
    base::MutexLock lock(refreshing_);
    if (memory.BeginRefresh(source.url)) Invalidate(source.url, /*prefix=*/false);
  }
  while (true) {
    FlightPtr flight;
    std::optional<store::GetRequest> request;
    {
      base::MutexLock lock(mutex_);
      if (ObjectPtr pinned = memory.Pinned(source.url)) return pinned;
      if (ObjectPtr here = KnownHere(source.url, known, reads)) return pin(std::move(here));
      flight = JoinOpen(source, opening, reads, &request);
    }
    if (request) {
      store::Scope scope{.stop = flight->token(),
                         .deadline = reads.scope().deadline,
                         .costs = reads.scope().costs};
      store_->StartGet(*std::move(request), std::move(scope),
                       [this, flight](arrow::Result<store::GetResult> result) {
                         EndOpen(flight, std::move(result));
                       });
    } else {
      ++reads.counters().shared_fetches;
    }
    arrow::Result<ObjectPtr> object = AwaitOpen(flight, reads);
    if (object.ok()) object = pin(*std::move(object));
    LeaveOpen(flight);
    if (object.ok()) return object;
    if (reads.scope().stop.stop_requested()) return object.status();
    if (!FailedForAnother(object.status(), *flight, *source.access)) return object.status();
    if (reads.scope().deadline <= std::chrono::steady_clock::now()) return object.status();
  }
}

ObjectPtr Reader::Impl::KnownHere(const std::string& url,
                                  const std::optional<store::Version>& known,
                                  const QueryReads& reads) {
  if (known) return blocks_->Intern(url, *known);
  if (reads.mode() == Mode::kOff) return nullptr;
  const auto entry = metadata_.Find(url);
  if (entry && IsFresh(entry->asked_at_ms)) return blocks_->Intern(url, entry->version);
  // Immutable data needs no asking, whoever fetched it.
  return options_.revalidate_ms < 0 ? blocks_->Find(url) : nullptr;
}

FlightPtr Reader::Impl::JoinOpen(const Source& source, Opening opening, const QueryReads& reads,
                                 std::optional<store::GetRequest>* request) {
  FlightPtr& there = opens_[source.url];
  // Where nothing may be older than the query, neither may the answer that it shares.
  const bool strict =
      options_.revalidate_ms == 0 || reads.mode() == Mode::kOff || reads.mode() == Mode::kRefresh;
  if (there && (!strict || there->started_at >= reads.memory()->begun_at())) {
    there->Join(reads.memory());
    return there;
  }
  auto flight = std::make_shared<Flight>();
  flight->url = source.url;
  flight->started_at = std::chrono::steady_clock::now();
  flight->asked_at_ms = clock_.MonotonicMs();
  flight->access = source.access;
  flight->keep = has_blocks_ && reads.fills_blocks();
  flight->remember = reads.mode() != Mode::kOff;
  flight->memory = reads.memory();
  *request = OpeningRequest(source, opening, reads, &flight->object);
  flight->Join();
  there = flight;
  under_way_.Begin();
  return flight;
}

store::GetRequest Reader::Impl::OpeningRequest(const Source& source, Opening opening,
                                               const QueryReads& reads, ObjectPtr* base) {
  store::GetRequest request{.access = source.access,
                            .object = source.name,
                            .url = source.url,
                            .range = {},
                            .if_match = "",
                            .if_none_match = "",
                            .on_first_byte = {}};
  ObjectPtr before;
  if (reads.mode() != Mode::kRefresh) {
    if (const auto entry = metadata_.Find(source.url)) {
      before = blocks_->Intern(source.url, entry->version);
    } else {
      before = blocks_->Find(source.url);
    }
  }
  int64_t bytes = config::kOpeningBytes;
  if (before && before->version().size > config::kOpeningBytes) bytes = config::kLargeOpeningBytes;
  request.range =
      opening == Opening::kTail ? store::Range::Suffix(bytes) : store::Range::Prefix(bytes);
  if (before && reads.reads_blocks() && IsRealTag(before->version().etag)) {
    // Worth asking "has it changed?" where what the answer would bring is here already.
    const int64_t first =
        opening == Opening::kTail ? std::max<int64_t>(0, before->version().size - 1) : 0;
    const uint64_t pages = blocks_->Pages(*before, first / kBlockBytes);
    if ((pages >> (first % kBlockBytes / kPageBytes) & 1) != 0) {
      request.if_none_match = before->version().etag;
      *base = before;
    }
  }
  return request;
}

void Reader::Impl::EndOpen(const FlightPtr& flight, arrow::Result<store::GetResult> result) {
  if (result.ok() && result->outcome == store::GetResult::Outcome::kChanged) {
    result = ObjectChanged(flight->url);
  }
  if (result.ok()) {
    const bool same = result->outcome == store::GetResult::Outcome::kNotModified;
    if (same) result->version = flight->object->version();
    if (!same) KeepOpening(*flight, blocks_->Intern(flight->url, result->version), *result);
    base::MutexLock lock(mutex_);
    if (flight->remember && !flight->spoilt()) {
      metadata_.Put(flight->url, {result->version, flight->asked_at_ms});
    }
  } else if (IsMissing(result.status())) {
    Invalidate(flight->url, /*prefix=*/false);
  }
  flight->Finish(std::move(result));
  under_way_.End();
}

void Reader::Impl::KeepOpening(const Flight& open, const ObjectPtr& object,
                               const store::GetResult& result) {
  if (result.bytes == nullptr || result.bytes->size() == 0) return;
  if (open.keep && !open.spoilt()) {
    // Only whole pages, and the object's last one.
    const int64_t skip = (kPageBytes - result.offset % kPageBytes) % kPageBytes;
    int64_t length = result.bytes->size() - skip;
    if (result.offset + result.bytes->size() < object->version().size)
      length -= length % kPageBytes;
    if (length <= 0) return;
    auto pages = std::make_shared<Flight>();
    pages->url = open.url;
    pages->object = object;
    pages->offset = result.offset + skip;
    pages->length = length;
    pages->started_at = open.started_at;
    pages->keep = true;
    pages->Inherit(open);
    store::GetResult kept = result;
    kept.offset = pages->offset;
    kept.bytes = arrow::SliceBuffer(result.bytes, skip, length);
    pages->Finish(std::move(kept));
    {
      base::MutexLock lock(mutex_);
      flights_[object.get()].push_back(pages);
    }
    if (!writer_->Queue(pages)) GiveAndForget(pages);
    return;
  }
  open.Give(object, result.offset, result.bytes);
}

arrow::Result<ObjectPtr> Reader::Impl::AwaitOpen(const FlightPtr& flight, QueryReads& reads) {
  ARROW_RETURN_NOT_OK(flight->Wait(reads.scope()));
  const arrow::Result<store::GetResult> result = *flight->result();
  ARROW_RETURN_NOT_OK(result.status());
  ObjectPtr object = blocks_->Intern(flight->url, result->version);
  if (!flight->keep && result->bytes) {
    reads.memory()->Keep(object, result->offset, result->bytes);
  }
  return object;
}

void Reader::Impl::LeaveOpen(const FlightPtr& flight) {
  // Not under the lock: the last one to leave cancels the request.
  const bool last = flight->Leave();
  if (!last && !flight->result()) return;
  base::MutexLock lock(mutex_);
  const auto there = opens_.find(flight->url);
  if (there != opens_.end() && there->second == flight) opens_.erase(there);
}

}  // namespace eider::cache
