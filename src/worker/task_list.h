// The tasks that run on this worker.
#pragma once

#include <memory>
#include <vector>

#include "base/mutex.h"
#include "worker/running_task.h"

namespace eider::worker {

// Thread-safe.
class TaskList {
 public:
  void Add(std::shared_ptr<RunningTask> task);
  void Remove(const protocol::AttemptId& attempt);
  std::vector<std::shared_ptr<RunningTask>> All() const;
  std::vector<protocol::AttemptId> Attempts() const;

  // For the watchdog: blocks until there is a task or Stop; false after Stop.
  bool WaitForTask();
  void Stop();
  // Blocks until `deadline` or Stop; false after Stop.
  bool WaitUntil(std::chrono::steady_clock::time_point deadline);

 private:
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<std::shared_ptr<RunningTask>> tasks_ EIDER_GUARDED_BY(mutex_);
  // Only a watchdog that waits for a first task is worth waking: it costs a context switch.
  bool idle_ EIDER_GUARDED_BY(mutex_) = false;
  bool stopped_ EIDER_GUARDED_BY(mutex_) = false;
};

}  // namespace eider::worker
