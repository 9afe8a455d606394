#include "worker/task_list.h"

#include <algorithm>
#include <utility>

namespace eider::worker {

void TaskList::Add(std::shared_ptr<RunningTask> task) {
  base::MutexLock lock(mutex_);
  tasks_.push_back(std::move(task));
  if (idle_) changed_.NotifyAll();
}

void TaskList::Remove(const protocol::AttemptId& attempt) {
  base::MutexLock lock(mutex_);
  std::erase_if(tasks_, [&](const auto& task) { return task->attempt() == attempt; });
}

std::vector<std::shared_ptr<RunningTask>> TaskList::All() const {
  base::MutexLock lock(mutex_);
  return tasks_;
}

std::vector<protocol::AttemptId> TaskList::Attempts() const {
  base::MutexLock lock(mutex_);
  std::vector<protocol::AttemptId> attempts;
  attempts.reserve(tasks_.size());
  for (const auto& task : tasks_) attempts.push_back(task->attempt());
  return attempts;
}

bool TaskList::WaitForTask() {
  base::MutexLock lock(mutex_);
  idle_ = true;
  while (tasks_.empty() && !stopped_) changed_.Wait(mutex_);
  idle_ = false;
  return !stopped_;
}

bool TaskList::WaitUntil(std::chrono::steady_clock::time_point deadline) {
  base::MutexLock lock(mutex_);
  while (!stopped_) {
    if (!changed_.WaitUntil(mutex_, deadline)) break;
  }
  return !stopped_;
}

void TaskList::Stop() {
  base::MutexLock lock(mutex_);
  stopped_ = true;
  changed_.NotifyAll();
}

}  // namespace eider::worker
