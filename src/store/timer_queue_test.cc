#include "store/timer_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

namespace eider::store {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using Fired = TimerQueue::Fired;
using Clock = std::chrono::steady_clock;

TEST(TimerQueue, FiresInTheOrderOfTime) {
  TimerQueue timers;
  std::vector<int> order;  // of the queue's thread, read when the last has fired
  std::promise<void> last;
  const auto now = Clock::now();
  timers.Schedule(now + milliseconds(30), {}, [&](Fired) {
    order.push_back(3);
    last.set_value();
  });
  timers.Schedule(now + milliseconds(10), {}, [&](Fired) { order.push_back(1); });
  timers.Schedule(now + milliseconds(20), {}, [&](Fired fired) {
    EXPECT_EQ(fired, Fired::kInTime);
    order.push_back(2);
  });
  last.get_future().wait();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  EXPECT_GE(Clock::now() - now, milliseconds(30));
}

TEST(TimerQueue, AStopFiresAtOnce) {
  TimerQueue timers;
  std::stop_source stop;
  std::promise<Fired> waiting;
  timers.Schedule(Clock::now() + hours(1), stop.get_token(),
                  [&](Fired fired) { waiting.set_value(fired); });
  stop.request_stop();
  EXPECT_EQ(waiting.get_future().get(), Fired::kStopped);
  std::promise<Fired> stopped_before;
  timers.Schedule(Clock::now() + hours(1), stop.get_token(),
                  [&](Fired fired) { stopped_before.set_value(fired); });
  EXPECT_EQ(stopped_before.get_future().get(), Fired::kStopped);
}

TEST(TimerQueue, ACancelledOneNeverFires) {
  std::atomic<int> fired = 0;
  TimerQueue::Id spent = 0;
  TimerQueue timers;
  const auto id = timers.Schedule(Clock::now() + hours(1), {}, [&](Fired) { ++fired; });
  EXPECT_TRUE(timers.Cancel(id));
  EXPECT_FALSE(timers.Cancel(id));
  std::promise<void> served;
  spent = timers.Schedule(Clock::now(), {}, [&](Fired) { served.set_value(); });
  served.get_future().wait();
  EXPECT_FALSE(timers.Cancel(spent));
  EXPECT_EQ(fired, 0);
}

TEST(TimerQueue, ItsEndFiresWhatWaits) {
  std::atomic<int> stopped = 0;
  {
    TimerQueue timers;
    for (int i = 0; i < 3; ++i) {
      timers.Schedule(Clock::now() + hours(1), {},
                      [&](Fired fired) { stopped += fired == Fired::kStopped ? 1 : 0; });
    }
  }
  EXPECT_EQ(stopped, 3);
}

TEST(TimerQueue, StopsAndCancelsFromManyThreads) {
  std::atomic<int> ended = 0;
  constexpr int kEach = 500;
  {
    TimerQueue timers;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&timers, &ended] {
        for (int i = 0; i < kEach; ++i) {
          std::stop_source stop;
          const auto id = timers.Schedule(Clock::now() + milliseconds(i % 3), stop.get_token(),
                                          [&ended](Fired) { ++ended; });
          if (i % 2 == 0) stop.request_stop();
          if (i % 3 == 0 && timers.Cancel(id)) ++ended;
        }
      });
    }
    for (auto& thread : threads) thread.join();
  }
  EXPECT_EQ(ended, 4 * kEach);
}

}  // namespace
}  // namespace eider::store
