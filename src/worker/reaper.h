// Ends tasks on threads of their own.
#pragma once

#include <functional>

#include "base/mutex.h"

namespace eider::worker {

// Closing an interrupted statement waits for whatever DuckDB still runs of it, which may be one
// long call: neither the watchdog nor the thread of an order may wait for that. There are never
// more threads than slots, as each holds one. Thread-safe.
class Reaper {
 public:
  Reaper() = default;
  // Waits for what runs.
  ~Reaper();
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  void Run(std::function<void()> end);

 private:
  base::Mutex mutex_;
  base::CondVar idle_;
  int running_ EIDER_GUARDED_BY(mutex_) = 0;
};

}  // namespace eider::worker
