// What is easier said in code than in the scenarios of tests/scenarios.
#include "schedule/scheduler.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>

namespace eider::schedule {
namespace {

Task KeylessTask(int n) { return {.id = "t" + std::to_string(n), .client = "c"}; }

TEST(SchedulerTest, NothingWaitsAtTheStart) {
  const Scheduler scheduler({});
  EXPECT_EQ(scheduler.waiting(), 0);
  EXPECT_EQ(scheduler.NextTimerMs(), std::nullopt);
  EXPECT_TRUE(scheduler.workers().empty());
}

TEST(SchedulerTest, TheFirstTimerIsTheEarliest) {
  Scheduler scheduler({.max_wait_ms = 1'000, .claim_expiry_ms = 400});
  scheduler.Handle(WorkerUp{.worker_id = "w1", .slots = 1}, 0);
  scheduler.Handle(Submitted{KeylessTask(1)}, 10);
  EXPECT_EQ(scheduler.NextTimerMs(), 410);  // the claim's
  scheduler.Handle(Submitted{KeylessTask(2)}, 20);
  scheduler.Handle(Started{{"t1", 1}}, 30);
  EXPECT_EQ(scheduler.NextTimerMs(), 1'020);  // t2's patience
  scheduler.Handle(Cancelled{"t2", "not wanted"}, 40);
  EXPECT_EQ(scheduler.NextTimerMs(), 1'030);  // whether t1 is late
  scheduler.Handle(Finished{{"t1", 1}}, 50);
  EXPECT_EQ(scheduler.NextTimerMs(), std::nullopt);
}

TEST(SchedulerTest, AnOlderAttemptThatFinishesDoesNotEndItsTask) {
  Scheduler scheduler({});
  scheduler.Handle(WorkerUp{.worker_id = "w1", .slots = 1}, 0);
  EXPECT_FALSE(scheduler.Has("t1"));
  scheduler.Handle(Submitted{KeylessTask(1)}, 1);
  scheduler.Handle(Started{{"t1", 1}}, 2);
  scheduler.Handle(Lost{{"t1", 1}, false}, 3);
  scheduler.Handle(Finished{{"t1", 1}}, 4);  // frees the slot, which attempt 2 gets
  EXPECT_TRUE(scheduler.Has("t1"));
  scheduler.Handle(Finished{{"t1", 2}}, 5);
  EXPECT_FALSE(scheduler.Has("t1"));
}

TEST(SchedulerTest, KeylessTasksSpreadOverIdleWorkers) {
  Scheduler scheduler({});
  for (int n = 0; n < 10; ++n) {
    scheduler.Handle(WorkerUp{.worker_id = "w" + std::to_string(n), .slots = 100}, 0);
  }
  for (int n = 0; n < 500; ++n) scheduler.Handle(Submitted{KeylessTask(n)}, 1);
  for (const WorkerView& worker : scheduler.workers()) {
    EXPECT_EQ(worker.occupied, 50) << worker.worker_id;
  }
}

TEST(SchedulerTest, RetryAfterFollowsWhatRunsTook) {
  Scheduler scheduler({.max_waiting = 0});
  scheduler.Handle(WorkerUp{.worker_id = "w1", .slots = 1}, 0);
  int64_t now_ms = 0;
  for (int n = 0; n < 100; ++n) {
    scheduler.Handle(Submitted{KeylessTask(n)}, now_ms);
    scheduler.Handle(Started{{KeylessTask(n).id, 1}}, now_ms);
    now_ms += 5'000;
    scheduler.Handle(Finished{{KeylessTask(n).id, 1}}, now_ms);
  }
  scheduler.Handle(Submitted{KeylessTask(1'000)}, now_ms);
  const auto actions = scheduler.Handle(Submitted{KeylessTask(1'001)}, now_ms);
  ASSERT_EQ(actions.size(), 1U);
  const base::ErrorInfo& error = std::get<Reject>(actions[0]).error;
  EXPECT_EQ(error.code, base::ErrorCode::kOverloaded);
  EXPECT_TRUE(error.retryable);
  EXPECT_NEAR(static_cast<double>(error.retry_after_ms.value_or(0)), 5'000, 100);
}

TEST(SchedulerTest, WhatIsUnknownIsIgnored) {
  Scheduler scheduler({});
  scheduler.Handle(WorkerUp{.worker_id = "w1", .slots = 1}, 0);
  const protocol::AttemptId nobody{"t9", 1};
  EXPECT_TRUE(scheduler.Handle(Started{nobody}, 1).empty());
  EXPECT_TRUE(scheduler.Handle(Finished{nobody}, 1).empty());
  EXPECT_TRUE(scheduler.Handle(Lost{nobody, false}, 1).empty());
  EXPECT_TRUE(scheduler.Handle(Refused{nobody}, 1).empty());
  EXPECT_TRUE(scheduler.Handle(Cancelled{"t9", "why"}, 1).empty());
  EXPECT_TRUE(scheduler.Handle(WorkerDown{"w9"}, 1).empty());
  EXPECT_TRUE(scheduler.Handle(WorkerDraining{"w9"}, 1).empty());
  EXPECT_EQ(scheduler.workers().size(), 1U);
}

}  // namespace
}  // namespace eider::schedule
