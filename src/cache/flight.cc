#include "cache/flight.h"

#include <utility>

#include "base/error.h"

namespace eider::cache {

using base::ErrorCode;
using base::MakeError;

void Flight::Join() {
  base::MutexLock lock(mutex_);
  ++waiters_;
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
