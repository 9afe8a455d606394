#include "worker/task_list.h"

#include <algorithm>
#include <utility>

namespace eider::worker {

void TaskList::Add(std::shared_ptr<RunningTask> task) {
  base::MutexLock lock(mutex_);
  entries_.push_back({.task = std::move(task)});
  if (idle_) changed_.NotifyAll();
}

void TaskList::NoteEnd(const protocol::AttemptId& attempt) {
  base::MutexLock lock(mutex_);
  for (Entry& entry : entries_) {
    if (entry.task->attempt() == attempt) entry.running = false;
  }
  Forget();
}

void TaskList::NoteClosed(const RunningTask* task) {
  base::MutexLock lock(mutex_);
  for (Entry& entry : entries_) {
    if (entry.task.get() == task) entry.open = false;
  }
  Forget();
}

void TaskList::Forget() {
  std::erase_if(entries_, [](const Entry& entry) { return !entry.running && !entry.open; });
}

std::vector<std::shared_ptr<RunningTask>> TaskList::All() const {
  base::MutexLock lock(mutex_);
  std::vector<std::shared_ptr<RunningTask>> tasks;
  for (const Entry& entry : entries_) {
    if (entry.running) tasks.push_back(entry.task);
  }
  return tasks;
}

std::vector<protocol::AttemptId> TaskList::Attempts() const {
  std::vector<protocol::AttemptId> attempts;
  for (const auto& task : All()) attempts.push_back(task->attempt());
  return attempts;
}

std::vector<protocol::Stopping> TaskList::Stopping() const {
  std::vector<protocol::Stopping> stopping;
  for (const auto& task : All()) {
    if (const auto for_ms = task->StoppingForMs()) stopping.push_back({task->attempt(), *for_ms});
  }
  return stopping;
}

int TaskList::BlockedStreams() const {
  base::MutexLock lock(mutex_);
  return static_cast<int>(std::ranges::count_if(
      entries_, [](const Entry& entry) { return !entry.running && entry.task->Blocked(); }));
}

std::vector<std::shared_ptr<RunningTask>> TaskList::Watched() const {
  base::MutexLock lock(mutex_);
  std::vector<std::shared_ptr<RunningTask>> tasks;
  tasks.reserve(entries_.size());
  for (const Entry& entry : entries_) tasks.push_back(entry.task);
  return tasks;
}

bool TaskList::WaitForTask() {
  base::MutexLock lock(mutex_);
  idle_ = true;
  while (entries_.empty() && !stopped_) changed_.Wait(mutex_);
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
