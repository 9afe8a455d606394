// Bytes of an object: from memory, from the disk, or by one GET for all who ask.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "cache/format.h"
#include "cache/reader_impl.h"

namespace eider::cache {
namespace {

using base::ErrorCode;
using base::MakeError;

int64_t PageStart(int64_t offset) { return offset - offset % kPageBytes; }

int64_t PageEnd(int64_t offset, const Object& object) {
  return std::min(object.version().size, PageStart(offset + kPageBytes - 1));
}

// Whole pages that hold [offset, offset + length).
Reader::Extent Aligned(int64_t offset, int64_t length, const Object& object) {
  const int64_t start = PageStart(offset);
  return {start, PageEnd(offset + length, object) - start};
}

void Append(std::vector<Reader::Extent>* extents, Reader::Extent next) {
  if (!extents->empty() && extents->back().offset <= next.offset &&
      extents->back().offset + extents->back().length >= next.offset) {
    Reader::Extent& last = extents->back();
    last.length = std::max(last.offset + last.length, next.offset + next.length) - last.offset;
    return;
  }
  extents->push_back(next);
}

// The part of `bytes`, which begin at `from`, that lies in `out`, which begins at `to`.
void CopyPart(const arrow::Buffer& bytes, int64_t from, int64_t to, std::span<uint8_t> out) {
  const int64_t begin = std::max(from, to);
  const int64_t end = std::min(from + bytes.size(), to + static_cast<int64_t>(out.size()));
  if (begin >= end) return;
  std::memcpy(out.data() + (begin - to), bytes.data() + (begin - from),
              static_cast<size_t>(end - begin));
}

}  // namespace

arrow::Status Reader::Impl::Read(const Source& source, const ObjectPtr& object, int64_t offset,
                                 std::span<uint8_t> out, QueryReads& reads) {
  const auto bytes = static_cast<int64_t>(out.size());
  ReadCounters& counters = reads.counters();
  counters.asked_bytes += bytes;
  std::vector<Extent> missing = ReadHere(object, offset, out, reads);
  if (missing.empty()) {
    ++counters.hits;
    counters.cache_bytes += bytes;
    return arrow::Status::OK();
  }
  const auto within = [&](const Extent& extent) -> Extent {
    const int64_t begin = std::max(extent.offset, offset);
    return {begin, std::min(extent.offset + extent.length, offset + bytes) - begin};
  };
  int64_t fetched = 0;
  bool waited = false;
  // A small object comes whole, as when it is opened without being known from a list.
  const int64_t size = object->version().size;
  if (size <= config::kOpeningBytes) missing = {{0, size}};
  for (int round = 0; round < config::kMaxFetchRounds; ++round) {
    const auto awaited = JoinFlights(source, object, missing, reads, /*ahead=*/false);
    for (const Awaited& one : awaited) waited |= one.flight && !one.landed;
    const arrow::Status status = Await(source, awaited, object, offset, out, reads);
    if (!status.ok()) {
      ++counters.misses;
      return status;
    }
    // What a flight brought is copied; what was here, or failed by another's giving up, is not.
    std::vector<Extent> again;
    for (const Awaited& one : awaited) {
      const auto result = one.flight ? one.flight->result() : std::nullopt;
      const Extent wanted = within(one.extent);
      if (wanted.length <= 0) continue;
      if (result && result->ok()) {
        if (!one.landed) fetched += wanted.length;
        continue;
      }
      const auto part = out.subspan(static_cast<size_t>(wanted.offset - offset),
                                    static_cast<size_t>(wanted.length));
      for (const Extent& extent : ReadHere(object, wanted.offset, part, reads)) {
        Append(&again, extent);
      }
    }
    if (again.empty()) {
      counters.cache_bytes += bytes - fetched;
      ++(waited ? counters.misses : counters.hits);
      return arrow::Status::OK();
    }
    missing = std::move(again);
  }
  return MakeError(ErrorCode::kStorageUnavailable,
                   object->url() + " could not be read: its pages are lost as fast as they come");
}

std::vector<Reader::Extent> Reader::Impl::ReadHere(const ObjectPtr& object, int64_t offset,
                                                   std::span<uint8_t> out,
                                                   const QueryReads& reads) {
  std::vector<Extent> missing;
  while (!out.empty()) {
    const int64_t to_block_end = kBlockBytes - offset % kBlockBytes;
    const auto take = std::min<size_t>(out.size(), static_cast<size_t>(to_block_end));
    ReadBlock(*object, offset, out.first(take), reads, &missing);
    out = out.subspan(take);
    offset += static_cast<int64_t>(take);
  }
  return missing;
}

void Reader::Impl::ReadBlock(const Object& object, int64_t offset, std::span<uint8_t> out,
                             const QueryReads& reads, std::vector<Extent>* missing) {
  // Mostly all of it is here. Asking for the pages first counts as a use of the block, which the
  // eviction goes by; reading them does not.
  const int64_t block = offset / kBlockBytes;
  const uint64_t pages = reads.reads_blocks() ? blocks_->Pages(object, block) : 0;
  if (pages != 0 && blocks_->Read(object, offset, out)) return;
  if (reads.memory()->Read(object, offset, out)) return;
  // Otherwise page by page; pages that are here, one after the other, by one read.
  const int64_t end = offset + static_cast<int64_t>(out.size());
  while (offset < end) {
    const int64_t page = offset % kBlockBytes / kPageBytes;
    int64_t until = std::min(end, PageStart(offset) + kPageBytes);
    bool here = false;
    if ((pages >> page & 1) != 0) {
      while (until < end && (pages >> (until % kBlockBytes / kPageBytes) & 1) != 0) {
        until = std::min(end, until + kPageBytes);
      }
      here = blocks_->Read(object, offset, out.first(static_cast<size_t>(until - offset)));
    }
    const auto part = out.first(static_cast<size_t>(until - offset));
    if (!here) here = reads.memory()->Read(object, offset, part);
    if (!here) Append(missing, Aligned(offset, until - offset, object));
    out = out.subspan(part.size());
    offset = until;
  }
}

bool Reader::Impl::IsHere(const Object& object, int64_t page, const QueryReads& reads) {
  const int64_t offset = page * kPageBytes;
  const uint64_t pages = reads.reads_blocks() ? blocks_->Pages(object, offset / kBlockBytes) : 0;
  if ((pages >> (page % kPagesPerBlock) & 1) != 0) return true;
  return reads.memory()->Has(object, offset, PageEnd(offset + 1, object) - offset);
}

std::vector<Reader::Impl::Awaited> Reader::Impl::JoinFlights(const Source& source,
                                                             const ObjectPtr& object,
                                                             const std::vector<Extent>& missing,
                                                             const QueryReads& reads, bool ahead) {
  std::vector<Awaited> awaited;
  {
    base::MutexLock lock(mutex_);
    for (Extent rest : missing) {
      while (rest.length > 0) {
        Awaited one = JoinFlight(source, object, rest, reads);
        rest.offset += one.extent.length;
        rest.length -= one.extent.length;
        if (ahead && one.flight && one.ours) prefetch_bytes_ += one.extent.length;
        awaited.push_back(std::move(one));
      }
    }
  }
  for (const Awaited& one : awaited) {
    if (one.ours) {
      StartFetch(source, one.flight, reads, ahead);
    } else if (one.flight && !ahead && !one.flight->result() &&
               one.flight->memory.lock() != reads.memory()) {
      ++reads.counters().shared_fetches;
    }
  }
  return awaited;
}

// The first part of `extent` that has one answer to "who brings it?".
Reader::Impl::Awaited Reader::Impl::JoinFlight(const Source& source, const ObjectPtr& object,
                                               Extent extent, const QueryReads& reads) {
  int64_t end = extent.offset + std::min(extent.length, options_.max_fetch_bytes);
  const auto there = flights_.find(object.get());
  if (there != flights_.end()) {
    for (const FlightPtr& flight : there->second) {
      if (flight->end() <= extent.offset || flight->offset >= end) continue;
      if (flight->offset > extent.offset) {
        end = flight->offset;  // that one brings what comes after
        continue;
      }
      flight->Join(reads.memory());
      const int64_t length = std::min(flight->end(), extent.offset + extent.length) - extent.offset;
      return {{extent.offset, length}, flight, false, flight->result().has_value()};
    }
  }
  // A flight that has landed since the caller looked has put its pages where they belong.
  int64_t until = extent.offset;
  while (until < end && IsHere(*object, until / kPageBytes, reads)) {
    until = std::min(end, until + kPageBytes);
  }
  if (until > extent.offset) return {{extent.offset, until - extent.offset}, nullptr, false};
  until = std::min(end, extent.offset + kPageBytes);
  while (until < end && !IsHere(*object, until / kPageBytes, reads)) {
    until = std::min(end, until + kPageBytes);
  }
  auto flight = std::make_shared<Flight>();
  flight->url = object->url();
  flight->access = source.access;
  flight->object = object;
  flight->offset = extent.offset;
  flight->length = until - extent.offset;
  flight->started_at = std::chrono::steady_clock::now();
  flight->keep = has_blocks_ && reads.fills_blocks();
  flight->memory = reads.memory();
  flight->Join();
  flights_[object.get()].push_back(flight);
  under_way_.Begin();
  return {{extent.offset, flight->length}, flight, true};
}

void Reader::Impl::StartFetch(const Source& source, const FlightPtr& flight,
                              const QueryReads& reads, bool ahead) {
  store::GetRequest request{.access = source.access,
                            .object = source.name,
                            .url = source.url,
                            .range = store::Range::Slice(flight->offset, flight->length),
                            .if_match = flight->object->version().etag,
                            .if_none_match = "",
                            .on_first_byte = {}};
  store::Scope scope{
      .stop = flight->token(), .deadline = reads.scope().deadline, .costs = reads.scope().costs};
  store_->StartGet(std::move(request), std::move(scope),
                   [this, flight, ahead](arrow::Result<store::GetResult> result) {
                     EndFetch(flight, ahead, std::move(result));
                   });
}

void Reader::Impl::EndFetch(const FlightPtr& flight, bool ahead,
                            arrow::Result<store::GetResult> result) {
  if (result.ok()) {
    const bool same = result->outcome == store::GetResult::Outcome::kBytes &&
                      result->bytes != nullptr && result->bytes->size() == flight->length &&
                      result->version.etag == flight->object->version().etag;
    if (!same) result = ObjectChanged(flight->url);
  }
  if (!result.ok()) {
    // First out of sight, so that who tries again begins anew.
    Forget(flight);
    const bool gone = IsObjectChanged(result.status()) ||
                      base::ErrorOf(result.status()).code == ErrorCode::kNotFound;
    // Lists and metadata that named this version are out of date with it.
    if (gone) Invalidate(flight->url, /*prefix=*/false);
    flight->Finish(result.status());
  } else {
    flight->Finish(std::move(result));
    // It stays findable until its pages are.
    if (!flight->keep || flight->spoilt() || !writer_->Queue(flight)) {
      GiveAndForget(flight);
    }
  }
  if (ahead) {
    base::MutexLock lock(mutex_);
    prefetch_bytes_ -= flight->length;
  }
  under_way_.End();
}

void Reader::Impl::EndWrite(const FlightPtr& flight) {
  for (int64_t at = flight->offset; at < flight->end();) {
    const int64_t block = at / kBlockBytes;
    const int64_t until = std::min(flight->end(), (block + 1) * kBlockBytes);
    const uint64_t wanted = PageRange(static_cast<int>(at % kBlockBytes / kPageBytes),
                                      static_cast<int>((until - at + kPageBytes - 1) / kPageBytes));
    if ((blocks_->Pages(*flight->object, block) & wanted) != wanted) return GiveAndForget(flight);
    at = until;
  }
  Forget(flight);
}

void Reader::Impl::GiveAndForget(const FlightPtr& flight) {
  const std::shared_ptr<arrow::Buffer> bytes = (*flight->result())->bytes;
  while (true) {
    const size_t joins = flight->Give(flight->object, flight->offset, bytes);
    base::MutexLock lock(mutex_);
    // Who joins does so under the lock: from here on nobody can.
    if (flight->joins() == joins) return Erase(flight);
  }
}

void Reader::Impl::Forget(const FlightPtr& flight) {
  base::MutexLock lock(mutex_);
  Erase(flight);
}

void Reader::Impl::Erase(const FlightPtr& flight) {
  const auto there = flights_.find(flight->object.get());
  if (there == flights_.end()) return;
  std::erase(there->second, flight);
  if (there->second.empty()) flights_.erase(there);
}

arrow::Status Reader::Impl::Await(const Source& source, const std::vector<Awaited>& awaited,
                                  const ObjectPtr& object, int64_t offset, std::span<uint8_t> out,
                                  QueryReads& reads) {
  arrow::Status failure;
  for (const Awaited& one : awaited) {
    if (!one.flight) continue;
    // After a failure the others are only left.
    if (failure.ok()) failure = one.flight->Wait(reads.scope());
    if (failure.ok()) {
      const auto result = *one.flight->result();
      if (result.ok()) {
        CopyPart(*result->bytes, one.flight->offset, offset, out);
        if (!one.flight->keep) {
          reads.memory()->Keep(object, one.flight->offset, result->bytes);
        }
      } else if (!FailedForAnother(result.status(), *one.flight, *source.access)) {
        failure = result.status();
      } else if (one.ours && reads.scope().deadline <= std::chrono::steady_clock::now()) {
        failure = GivenUp(reads.scope(), object->url());
      }
    }
    one.flight->Leave();
  }
  return failure;
}

void Reader::Impl::Prefetch(const Source& source, const ObjectPtr& object,
                            const std::vector<Extent>& extents, QueryReads& reads) {
  std::vector<Extent> wanted;
  int64_t room = 0;
  {
    base::MutexLock lock(mutex_);
    room = options_.max_prefetch_bytes - prefetch_bytes_;
  }
  for (const Extent& extent : extents) {
    if (extent.length <= 0 || extent.offset >= object->version().size) continue;
    const Extent aligned = Aligned(extent.offset, extent.length, *object);
    room -= aligned.length;
    if (room < 0) break;
    Append(&wanted, aligned);  // in the order of the caller's need, which need not be the file's
  }
  for (const Awaited& one : JoinFlights(source, object, wanted, reads, /*ahead=*/true)) {
    if (!one.flight) continue;
    if (!one.ours) {
      one.flight->Leave();
      continue;
    }
    // It waits for the query to end, or for a read that comes for it.
    reads.memory()->AtEnd([flight = std::weak_ptr<Flight>(one.flight)] {
      if (const FlightPtr there = flight.lock()) there->Leave();
    });
  }
}

}  // namespace eider::cache
