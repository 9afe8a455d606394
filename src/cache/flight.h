// One GET under way, and those who wait for it.
#pragma once

#include <arrow/buffer.h>
#include <arrow/result.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "cache/block_cache.h"
#include "store/object_store.h"

namespace eider::cache {

class QueryMemory;

// Belongs to no query: it goes on while anybody waits for it, and is cancelled when the last one
// leaves. Thread-safe.
class Flight {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // Constant once it is shared.
  std::string url;
  // Of a fetch of pages. Of an open: the version it asks about, if any.
  ObjectPtr object;
  int64_t offset = 0;                           // of pages
  int64_t length = 0;                           // of pages
  std::shared_ptr<const store::Access> access;  // with which S3 is asked
  TimePoint started_at;                         // when its request was about to be sent
  int64_t asked_at_ms = 0;                      // an open: the same by the clock of ages
  bool keep = false;                            // its pages go to the disk cache
  bool remember = true;                         // an open: its version becomes metadata
  // The query that began it: takes the bytes where the disk does not.
  std::weak_ptr<QueryMemory> memory;

  int64_t end() const { return offset + length; }
  std::stop_token token() const { return stop_.get_token(); }

  // One more waits. Every Join is followed by one Leave.
  void Join();
  // The same of a query other than the one that began it.
  void Join(const std::shared_ptr<QueryMemory>& memory);
  // Those who took part in `opening` take part in this one, which brings its pages.
  void Inherit(const Flight& opening);
  // Gives what landed at [offset, ...) to the memory of all who took part: the disk did not take
  // it. Returns joins() as it was then.
  size_t Give(const ObjectPtr& to, int64_t at, const std::shared_ptr<arrow::Buffer>& bytes) const;
  size_t joins() const;  // by other than who began it, so far
  // True for the last one; where the flight has not ended, it is cancelled.
  bool Leave();
  // Cancels it whoever waits.
  void Abort() { stop_.request_stop(); }
  // How it ended; once.
  void Finish(arrow::Result<store::GetResult> result);

  // Waits for the end. Errors: CANCELLED and DEADLINE_EXCEEDED of `scope`, the waiter's own; how
  // the flight ended is result()'s.
  arrow::Status Wait(const store::Scope& scope);
  // nullopt: still under way.
  std::optional<arrow::Result<store::GetResult>> result() const;
  // What was invalidated meanwhile is not to be kept.
  void Spoil();
  bool spoilt() const;

 private:
  std::stop_source stop_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  int waiters_ EIDER_GUARDED_BY(mutex_) = 0;
  std::vector<std::weak_ptr<QueryMemory>> joined_ EIDER_GUARDED_BY(mutex_);
  bool spoilt_ EIDER_GUARDED_BY(mutex_) = false;
  std::optional<arrow::Result<store::GetResult>> result_ EIDER_GUARDED_BY(mutex_);
};
using FlightPtr = std::shared_ptr<Flight>;

// Whether a flight that another began failed by what was that one's own: its giving up, or its
// credentials.
bool FailedForAnother(const arrow::Status& status, const Flight& flight,
                      const store::Access& access);

// A wait's failure in words, for whoever gave up.
arrow::Status GivenUp(const store::Scope& scope, const std::string& url);

}  // namespace eider::cache
