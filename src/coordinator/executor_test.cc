#include "coordinator/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>

namespace eider::coordinator {
namespace {

TEST(Executor, BlockedWorkDoesNotHoldUpTheRest) {
  Executor executor(4);
  std::latch all_run(4);
  for (int i = 0; i < 4; ++i) executor.Post([&] { all_run.arrive_and_wait(); });
  all_run.wait();
  executor.Stop();
}

TEST(Executor, AnOfferIsTakenWhileAThreadIsFree) {
  Executor executor(2);
  std::latch go(1);
  std::latch both(2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(executor.Offer([&] {
      both.count_down();
      go.wait();
    }));
  }
  both.wait();
  EXPECT_FALSE(executor.Offer([] {}));
  go.count_down();
  std::latch ran(1);
  while (!executor.Offer([&] { ran.count_down(); })) std::this_thread::yield();
  ran.wait();
  executor.Stop();
  EXPECT_FALSE(executor.Offer([] {}));
}

TEST(Executor, StopRunsWhatWasPostedAndDropsTheRest) {
  std::atomic<int> ran = 0;
  Executor executor(2);
  for (int i = 0; i < 1000; ++i) executor.Post([&] { ++ran; });
  executor.Stop();
  executor.Post([&] { ++ran; });
  EXPECT_EQ(ran, 1000);
}

}  // namespace
}  // namespace eider::coordinator
