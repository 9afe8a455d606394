#include "engine/pause.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

namespace eider::engine {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using TimePoint = Pause::TimePoint;

constexpr microseconds kLook(1);  // what a look takes

struct Waited {
  int looks = 0;
  Pause::Duration late{};
};

// Waits, on a clock that only looks and pauses move, for something that comes after `idle`.
Waited WaitFor(Pause::Duration idle, TimePoint start = {}) {
  const Pause pause(start);
  TimePoint now = start;
  Waited waited;
  while (now < start + idle) {
    ++waited.looks;
    now += kLook;
    now += pause.Next(now);
  }
  waited.late = now - (start + idle);
  return waited;
}

TEST(PauseTest, AtFirstItOnlyYields) {
  const Pause pause(TimePoint{});
  EXPECT_EQ(pause.Next(TimePoint{}), Pause::Duration::zero());
  EXPECT_EQ(pause.Next(TimePoint{microseconds(199)}), Pause::Duration::zero());
  EXPECT_GT(pause.Next(TimePoint{microseconds(200)}), Pause::Duration::zero());
}

TEST(PauseTest, SleepsForAnEighthWithinItsBounds) {
  const Pause pause(TimePoint{});
  EXPECT_EQ(pause.Next(TimePoint{microseconds(200)}), microseconds(50));
  EXPECT_EQ(pause.Next(TimePoint{microseconds(4'000)}), microseconds(500));
  EXPECT_EQ(pause.Next(TimePoint{milliseconds(8)}), milliseconds(1));
  EXPECT_EQ(pause.Next(TimePoint{seconds(3'600)}), milliseconds(1));
}

TEST(PauseTest, WorkBeginsItAnew) {
  Pause pause(TimePoint{});
  const TimePoint later{seconds(1)};
  EXPECT_EQ(pause.Next(later), milliseconds(1));
  pause.Restart(later);
  EXPECT_EQ(pause.Next(later + microseconds(10)), Pause::Duration::zero());
  EXPECT_EQ(pause.Next(later + microseconds(800)), microseconds(100));
}

TEST(PauseTest, IsLateByAnEighthAtMost) {
  for (const auto idle : {microseconds(10), microseconds(150), microseconds(400),
                          microseconds(1'500), microseconds(7'777), microseconds(30'000)}) {
    const Waited waited = WaitFor(idle);
    EXPECT_LE(waited.late, std::max<Pause::Duration>(idle / 8, Pause::kShortest) + kLook)
        << idle.count();
    EXPECT_LE(waited.late, Pause::kLongest + kLook) << idle.count();
  }
}

TEST(PauseTest, ALongWaitIsFewLooks) {
  // A second of looks without a pause would be a million.
  EXPECT_LT(WaitFor(seconds(1)).looks, 1'300);
  EXPECT_LT(WaitFor(milliseconds(30)).looks, 300);
}

}  // namespace
}  // namespace eider::engine
