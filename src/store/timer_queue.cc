#include "store/timer_queue.h"

#include <optional>

namespace eider::store {

TimerQueue::TimerQueue() : thread_([this] { Run(); }) {}

TimerQueue::~TimerQueue() {
  {
    const base::MutexLock lock(mutex_);
    closing_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

TimerQueue::Id TimerQueue::Schedule(TimePoint when, std::stop_token stop, Callback callback) {
  Id id = 0;
  {
    const base::MutexLock lock(mutex_);
    id = next_id_++;
  }
  Timer timer{.callback = std::move(callback)};
  // Outside the lock, which it takes when the stop has come already.
  if (stop.stop_possible()) {
    timer.on_stop =
        std::make_unique<std::stop_callback<std::function<void()>>>(stop, [this, id] { Stop(id); });
  }
  bool first = false;
  {
    const base::MutexLock lock(mutex_);
    // A stop that came before this found nothing.
    if (stop.stop_requested()) stopped_.push_back(id);
    times_.emplace(id, when);
    const auto at = timers_.emplace(Key(when, id), std::move(timer)).first;
    first = at == timers_.begin() || !stopped_.empty();
  }
  if (first) changed_.NotifyAll();
  return id;
}

bool TimerQueue::Cancel(Id id) {
  Timer timer;  // destroyed outside the lock: its stop_callback may be waiting for it
  const base::MutexLock lock(mutex_);
  const auto found = times_.find(id);
  if (found == times_.end()) return false;
  const auto at = timers_.find(Key(found->second, id));
  timer = std::move(at->second);
  timers_.erase(at);
  times_.erase(found);
  return true;
}

void TimerQueue::Stop(Id id) {
  {
    const base::MutexLock lock(mutex_);
    stopped_.push_back(id);
  }
  changed_.NotifyAll();
}

void TimerQueue::Run() {
  while (true) {
    Timer timer;
    Fired fired = Fired::kInTime;
    {
      const base::MutexLock lock(mutex_);
      auto due = timers_.end();
      while (due == timers_.end()) {
        if (!stopped_.empty()) {
          const auto found = times_.find(stopped_.back());
          stopped_.pop_back();
          if (found == times_.end()) continue;
          due = timers_.find(Key(found->second, found->first));
          fired = Fired::kStopped;
        } else if (closing_) {
          if (timers_.empty()) return;
          due = timers_.begin();
          fired = Fired::kStopped;
        } else if (timers_.empty()) {
          changed_.Wait(mutex_);
        } else if (timers_.begin()->first.first <= std::chrono::steady_clock::now()) {
          due = timers_.begin();
        } else {
          changed_.WaitUntil(mutex_, timers_.begin()->first.first);
        }
      }
      timer = std::move(due->second);
      times_.erase(due->first.second);
      timers_.erase(due);
    }
    timer.on_stop.reset();
    timer.callback(fired);
  }
}

}  // namespace eider::store
