// What is to happen when time passes. A record that waits for a time has a Timer of its own in it.
//
// Every call is O(log n). Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <set>

namespace eider::schedule {

struct TaskRecord;
struct AttemptRecord;
struct WorkerRecord;

enum class TimerKind {
  kTask,     // it has waited long enough: its deadline, or max_wait_ms
  kAttempt,  // its claim expires, or its memory; or it runs and is late
  kPause,    // a worker that refused a task may be asked again
  kHold,     // a flapping worker has been held back long enough
  kTrial,    // a verdict on a query that workers died under
};

// One time, or none. It must be cleared before it goes.
struct Timer {
  TimerKind kind = TimerKind::kTask;
  uint64_t number = 0;     // unique: the order of those that are due at one time
  void* record = nullptr;  // what it is a part of; its type is told by the kind
  std::optional<int64_t> at_ms;
};

class Timers {
 public:
  // Replaces the time that was set.
  void Set(Timer& timer, int64_t at_ms);
  void Clear(Timer& timer);
  // Takes the earliest that is due; none is left due when it returns nothing.
  Timer* PopDue(int64_t now_ms);
  std::optional<int64_t> NextMs() const;

 private:
  struct Earlier {
    bool operator()(const Timer* left, const Timer* right) const {
      return left->at_ms != right->at_ms ? left->at_ms < right->at_ms
                                         : left->number < right->number;
    }
  };
  std::set<Timer*, Earlier> order_;
};

}  // namespace eider::schedule
