#include "cache/flight.h"

#include <utility>

#include "base/error.h"
#include "cache/query_memory.h"

namespace eider::cache {

using base::ErrorCode;
using base::MakeError;

void Flight::Join() {
  base::MutexLock lock(mutex_);
  ++waiters_;
}

void Flight::Join(const std::shared_ptr<QueryMemory>& joining) {
  base::MutexLock lock(mutex_);
  ++waiters_;
  joined_.push_back(joining);
}

void Flight::Inherit(const Flight& opening) {
  memory = opening.memory;
  std::vector<std::weak_ptr<QueryMemory>> all;
  {
    base::MutexLock lock(opening.mutex_);
    all = opening.joined_;
  }
  base::MutexLock lock(mutex_);
  joined_ = std::move(all);
}

size_t Flight::Give(const ObjectPtr& to, int64_t at,
                    const std::shared_ptr<arrow::Buffer>& bytes) const {
  std::vector<std::weak_ptr<QueryMemory>> all;
  {
    base::MutexLock lock(mutex_);
    all = joined_;
  }
  const size_t joins = all.size();
  all.push_back(memory);
  for (const auto& each : all) {
    // Not under the lock: the end of a query's memory leaves flights.
    if (const auto alive = each.lock()) alive->Keep(to, at, bytes);
  }
  return joins;
}

size_t Flight::joins() const {
  base::MutexLock lock(mutex_);
  return joined_.size();
}

bool Flight::Leave() {
  {
    base::MutexLock lock(mutex_);
    if (--waiters_ > 0) return false;
    if (result_) return true;
  }
  stop_.request_stop();
  return true;
}

void Flight::Finish(arrow::Result<store::GetResult> result) {
  base::MutexLock lock(mutex_);
  result_ = std::move(result);
  changed_.NotifyAll();
}

arrow::Status Flight::Wait(const store::Scope& scope) {
  const std::stop_callback wake(scope.stop, [this] {
    base::MutexLock lock(mutex_);
    changed_.NotifyAll();
  });
  base::MutexLock lock(mutex_);
  while (!result_) {
    if (scope.stop.stop_requested()) return GivenUp(scope, url);
    if (scope.deadline == TimePoint::max()) {
      changed_.Wait(mutex_);
    } else if (!changed_.WaitUntil(mutex_, scope.deadline) && !result_) {
      return GivenUp(scope, url);
    }
  }
  return arrow::Status::OK();
}

std::optional<arrow::Result<store::GetResult>> Flight::result() const {
  base::MutexLock lock(mutex_);
  return result_;
}

void Flight::Spoil() {
  base::MutexLock lock(mutex_);
  spoilt_ = true;
}

bool Flight::spoilt() const {
  base::MutexLock lock(mutex_);
  return spoilt_;
}

bool FailedForAnother(const arrow::Status& status, const Flight& flight,
                      const store::Access& access) {
  const ErrorCode code = base::ErrorOf(status).code;
  if (code == ErrorCode::kCancelled || code == ErrorCode::kDeadlineExceeded) return true;
  return code == ErrorCode::kPermissionDenied && *flight.access != access;
}

arrow::Status GivenUp(const store::Scope& scope, const std::string& url) {
  if (scope.stop.stop_requested()) {
    return MakeError(ErrorCode::kCancelled, "reading " + url + " was cancelled");
  }
  return MakeError(ErrorCode::kDeadlineExceeded, "the query's time was over while it read " + url);
}

}  // namespace eider::cache
