// What is to happen when time passes: at most one time for each task, attempt and worker.
//
// Every call is O(log n). Not thread-safe.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace eider::schedule {

enum class TimerKind { kTask, kAttempt, kWorker };

struct TimerKey {
  TimerKind kind = TimerKind::kTask;
  std::string id;   // of the task or the worker
  int attempt = 0;  // with kAttempt
  auto operator<=>(const TimerKey&) const = default;
};

class Timers {
 public:
  // Replaces the time that was set.
  void Set(const TimerKey& key, int64_t at_ms);
  void Clear(const TimerKey& key);
  // Takes the earliest that is due; none is left due when it returns nothing.
  std::optional<TimerKey> PopDue(int64_t now_ms);
  std::optional<int64_t> NextMs() const;

 private:
  std::map<TimerKey, int64_t> times_;
  std::set<std::pair<int64_t, TimerKey>> order_;
};

}  // namespace eider::schedule
