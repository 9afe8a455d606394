// Callbacks at a time, on one thread: waiting that holds no other thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace eider::store {

// Thread-safe.
class TimerQueue {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  enum class Fired { kInTime, kStopped };
  // Must not block.
  using Callback = std::function<void(Fired)>;
  using Id = uint64_t;

  TimerQueue();
  // What still waits is called with kStopped. Not from a callback.
  ~TimerQueue();
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  // Calls `callback` on the queue's thread, exactly once: at `when`, or with kStopped as soon as
  // `stop` is asked to. Never from this call.
  Id Schedule(TimePoint when, std::stop_token stop, Callback callback);

  // Takes a timer back: true where its callback has not begun and now never will.
  bool Cancel(Id id);

 private:
  struct Timer {
    Callback callback;
    std::unique_ptr<std::stop_callback<std::function<void()>>> on_stop;
  };
  using Key = std::pair<TimePoint, Id>;

  void Run();
  void Stop(Id id);

  base::Mutex mutex_;
  base::CondVar changed_;
  std::map<Key, Timer> timers_ EIDER_GUARDED_BY(mutex_);
  std::map<Id, TimePoint> times_ EIDER_GUARDED_BY(mutex_);  // of those in timers_
  std::vector<Id> stopped_ EIDER_GUARDED_BY(mutex_);
  Id next_id_ EIDER_GUARDED_BY(mutex_) = 1;
  bool closing_ EIDER_GUARDED_BY(mutex_) = false;

  std::thread thread_;  // last: it uses all of these
};

}  // namespace eider::store
