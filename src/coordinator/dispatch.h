// Schedule and claim: runs the pure scheduler under a lock and carries its decisions to whoever
// waits for them.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "schedule/scheduler.h"

namespace eider::coordinator {

// What a task's submitter hears. The calls come one at a time and in the order in which they were
// decided, from any thread, without the dispatcher's lock; they must not block.
class TaskListener {
 public:
  virtual ~TaskListener() = default;
  // Again for each attempt.
  virtual void OnClaim(const schedule::Claim& claim) = 0;
  // The worker of this attempt is slow and another idles. True: nothing of it was delivered, it is
  // given up and the listener answers with schedule::Moved when it is; false: it goes on.
  virtual bool OnMove(const schedule::Move& move) = 0;
  // The task is over; nothing comes after it.
  virtual void OnReject(const base::ErrorInfo& why) = 0;
};

// Thread-safe.
class Dispatcher {
 public:
  // An attempt that is to be stopped on its worker; called as a listener is.
  using StopHandler = std::function<void(const schedule::Stop&)>;

  Dispatcher(schedule::Options options, const base::Clock& clock, StopHandler on_stop);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  void Submit(schedule::Task task, std::shared_ptr<TaskListener> listener) EIDER_EXCLUDES(mutex_);

  // Any event but Submitted. Returns false where it is of a task that had ended before: it has
  // finished or was rejected, and its listener hears nothing more.
  bool Handle(const schedule::Event& event) EIDER_EXCLUDES(mutex_);

  // Where a task would go now; nothing is decided.
  schedule::Route Explain(const schedule::Task& task) const EIDER_EXCLUDES(mutex_);

  // What a new task of this client would be rejected with, whatever else it is; none where that
  // depends, or it would not be.
  std::optional<base::ErrorInfo> RefusesAll(const std::string& client, int priority) const
      EIDER_EXCLUDES(mutex_);

  int waiting() const EIDER_EXCLUDES(mutex_);
  std::vector<schedule::WorkerView> workers() const EIDER_EXCLUDES(mutex_);
  schedule::Figures figures() const EIDER_EXCLUDES(mutex_);

 private:
  struct Delivery {
    std::shared_ptr<TaskListener> listener;
    schedule::Action action;
  };

  void Decide(const schedule::Event& event) EIDER_REQUIRES(mutex_);
  // Delivers what is queued, unless another thread is at it: that one delivers ours too.
  void Deliver() EIDER_EXCLUDES(mutex_);
  void RunTimer() EIDER_EXCLUDES(mutex_);

  const base::Clock& clock_;
  const StopHandler on_stop_;
  mutable base::Mutex mutex_;
  base::CondVar timer_changed_;
  schedule::Scheduler scheduler_ EIDER_GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::shared_ptr<TaskListener>> listeners_
      EIDER_GUARDED_BY(mutex_);
  std::deque<Delivery> deliveries_ EIDER_GUARDED_BY(mutex_);
  bool delivering_ EIDER_GUARDED_BY(mutex_) = false;
  std::optional<int64_t> armed_ms_ EIDER_GUARDED_BY(mutex_);  // what the timer thread waits for
  bool stopped_ EIDER_GUARDED_BY(mutex_) = false;
  std::thread timer_;  // last: it uses the rest
};

}  // namespace eider::coordinator
