#include "coordinator/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

namespace eider::coordinator {
namespace {

TEST(Executor, BlockedWorkDoesNotHoldUpTheRest) {
  Executor executor(4);
  std::latch all_run(4);
  for (int i = 0; i < 4; ++i) executor.Post([&] { all_run.arrive_and_wait(); });
  all_run.wait();
  executor.Stop();
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
