// The tasks that run on this worker, and those whose streams are still open.
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
  // It runs no more.
  void NoteEnd(const protocol::AttemptId& attempt);
  // Its stream is gone. A task is forgotten when both have been said.
  void NoteClosed(const RunningTask* task);
  // Those that run.
  std::vector<std::shared_ptr<RunningTask>> All() const;
  std::vector<protocol::AttemptId> Attempts() const;
  // Those that were told to stop and still run.
  std::vector<protocol::Stopping> Stopping() const;
  // Streams that are in a write which does not return, of tasks that run no more.
  int BlockedStreams() const;

  // For the watchdog: those that run, and those whose streams are open.
  std::vector<std::shared_ptr<RunningTask>> Watched() const;
  // Blocks until there is one to watch or Stop; false after Stop.
  bool WaitForTask();
  void Stop();
  // Blocks until `deadline` or Stop; false after Stop.
  bool WaitUntil(std::chrono::steady_clock::time_point deadline);

 private:
  struct Entry {
    std::shared_ptr<RunningTask> task;
    bool running = true;
    bool open = true;
  };

  // Drops what neither runs nor is open.
  void Forget() EIDER_REQUIRES(mutex_);

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<Entry> entries_ EIDER_GUARDED_BY(mutex_);
  // Only a watchdog that waits for a first task is worth waking: it costs a context switch.
  bool idle_ EIDER_GUARDED_BY(mutex_) = false;
  bool stopped_ EIDER_GUARDED_BY(mutex_) = false;
};

}  // namespace eider::worker
