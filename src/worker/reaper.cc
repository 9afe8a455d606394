#include "worker/reaper.h"

#include <thread>
#include <utility>

namespace eider::worker {

Reaper::~Reaper() {
  base::MutexLock lock(mutex_);
  while (running_ > 0) idle_.Wait(mutex_);
}

void Reaper::Run(std::function<void()> end) {
  {
    base::MutexLock lock(mutex_);
    ++running_;
  }
  std::thread([this, end = std::move(end)]() mutable {
    end();
    end = nullptr;  // what it owns goes before whoever waits for this
    base::MutexLock lock(mutex_);
    if (--running_ == 0) idle_.NotifyAll();
  }).detach();
}

}  // namespace eider::worker
