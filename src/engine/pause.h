// How long to wait for what nothing announces: DuckDB does not tell the thread that runs a query
// when another thread of its comes back from S3.
#pragma once

#include <algorithm>
#include <chrono>

namespace eider::engine {

// Pure: it is handed the time. At first the wait only gives the core away, because most tasks end
// within microseconds; then it sleeps for an eighth of what it has waited already. So what comes is
// seen late by an eighth, and by kLongest at most.
class Pause {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  static constexpr Duration kYielding = std::chrono::microseconds(200);
  static constexpr Duration kShortest = std::chrono::microseconds(50);
  static constexpr Duration kLongest = std::chrono::milliseconds(1);

  explicit Pause(TimePoint now) : idle_since_(now) {}

  // There was something to do.
  void Restart(TimePoint now) { idle_since_ = now; }

  // There was nothing to do: how long to sleep before the next look. Zero: only yield.
  Duration Next(TimePoint now) const {
    const Duration idle = now - idle_since_;
    if (idle < kYielding) return Duration::zero();
    constexpr int kShare = 8;
    return std::clamp(idle / kShare, kShortest, kLongest);
  }

 private:
  TimePoint idle_since_;
};

}  // namespace eider::engine
