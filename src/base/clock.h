// The one source of time: pure code is handed times, the rest asks a Clock, so that tests can move
// it by hand.
#pragma once

#include <chrono>
#include <cstdint>

namespace eider::base {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds since an arbitrary start; never goes back. Comparable within one process only.
  virtual int64_t MonotonicMs() const = 0;
  // Milliseconds since 1970-01-01 UTC, for people and logs; may jump.
  virtual int64_t WallMs() const = 0;
};

class SystemClock final : public Clock {
 public:
  int64_t MonotonicMs() const override {
    return Ms(std::chrono::steady_clock::now().time_since_epoch());
  }
  int64_t WallMs() const override {
    return Ms(std::chrono::system_clock::now().time_since_epoch());
  }

 private:
  template <typename Duration>
  static int64_t Ms(Duration duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  }
};

// A clock that moves only when told to. Not thread-safe.
class ManualClock final : public Clock {
 public:
  int64_t MonotonicMs() const override { return now_ms_; }
  int64_t WallMs() const override { return now_ms_; }
  void Advance(int64_t ms) { now_ms_ += ms; }

 private:
  int64_t now_ms_ = 0;
};

}  // namespace eider::base
