// Counts what is under way, so that a destructor can wait for its end.
#pragma once

#include "base/mutex.h"

namespace eider::store {

// Thread-safe.
class InFlight {
 public:
  void Begin() {
    const base::MutexLock lock(mutex_);
    ++count_;
  }
  // Nothing of the owner may be touched after it.
  void End() {
    const base::MutexLock lock(mutex_);
    if (--count_ == 0) none_.NotifyAll();
  }
  void WaitForNone() {
    const base::MutexLock lock(mutex_);
    while (count_ != 0) none_.Wait(mutex_);
  }

 private:
  base::Mutex mutex_;
  base::CondVar none_;
  int count_ EIDER_GUARDED_BY(mutex_) = 0;
};

}  // namespace eider::store
