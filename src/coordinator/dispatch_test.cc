#include "coordinator/dispatch.h"

#include <gtest/gtest.h>

namespace eider::coordinator {
namespace {

// Remembers what it heard. All on the test's thread: no timer fires with a manual clock.
class Recorder final : public TaskListener {
 public:
  void OnClaim(const schedule::Claim& claim) override { claims.push_back(claim); }
  bool OnMove(const schedule::Move& move) override {
    moves.push_back(move);
    return gives_up;
  }
  void OnReject(const base::ErrorInfo& why) override { rejects.push_back(why); }
  std::vector<schedule::Claim> claims;
  std::vector<base::ErrorInfo> rejects;
  std::vector<schedule::Move> moves;
  bool gives_up = false;
};

class DispatcherTest : public testing::Test {
 protected:
  std::shared_ptr<Recorder> Submit(const std::string& id, bool relayed = false) {
    auto recorder = std::make_shared<Recorder>();
    dispatcher_.Submit({.id = id,
                        .key = std::nullopt,
                        .client = "c",
                        .relayed = relayed,
                        .deadline_ms = 1'000'000},
                       recorder);
    return recorder;
  }

  base::ManualClock clock_;
  std::vector<schedule::Stop> stops_;
  Dispatcher dispatcher_{schedule::Options(), clock_,
                         [this](const schedule::Stop& stop) { stops_.push_back(stop); }};
};

TEST_F(DispatcherTest, AnOlderAttemptsEndDoesNotForgetWhoWaits) {
  dispatcher_.Handle(schedule::WorkerUp{"w1", 1, {}});
  const auto task = Submit("t");
  ASSERT_EQ(task->claims.size(), 1u);
  // Lost and to be run again, but its slot is taken until the worker has ended the first attempt.
  EXPECT_TRUE(dispatcher_.Handle(schedule::Started{{"t", 1}}));
  EXPECT_TRUE(dispatcher_.Handle(schedule::Lost{{"t", 1}, false}));
  EXPECT_EQ(stops_.size(), 1u);
  dispatcher_.Handle(schedule::Finished{{"t", 1}});
  ASSERT_EQ(task->claims.size(), 2u);
  EXPECT_EQ(task->claims[1].attempt.attempt, 2);
}

TEST_F(DispatcherTest, ALateStartOfACancelledTaskIsStopped) {
  dispatcher_.Handle(schedule::WorkerUp{"w1", 1, {}});
  const auto task = Submit("t");
  EXPECT_TRUE(dispatcher_.Handle(schedule::Cancelled{"t", "by the test"}));
  ASSERT_EQ(task->rejects.size(), 1u);
  const size_t stopped = stops_.size();
  EXPECT_FALSE(dispatcher_.Handle(schedule::Started{{"t", 1}}));
  EXPECT_EQ(stops_.size(), stopped + 1);
}

TEST_F(DispatcherTest, AMoveThatIsDeclinedIsKept) {
  dispatcher_.Handle(schedule::WorkerUp{"w1", 2, {}});
  const auto quick = Submit("quick");
  dispatcher_.Handle(schedule::Started{{"quick", 1}});
  dispatcher_.Handle(schedule::Finished{.attempt = {"quick", 1}, .run_us = 1'000});
  const auto first = Submit("first", /*relayed=*/true);
  const auto second = Submit("second", /*relayed=*/true);
  dispatcher_.Handle(schedule::Started{{"first", 1}});
  dispatcher_.Handle(schedule::Started{{"second", 1}});
  clock_.Advance(1'000);
  dispatcher_.Handle(schedule::WorkerUp{"w2", 2, {}});
  EXPECT_EQ(first->moves.size() + second->moves.size(), 2u);  // the other where the one stays
  // Kept: it ends as any other.
  EXPECT_TRUE(dispatcher_.Handle(schedule::Finished{{"first", 1}}));
  EXPECT_TRUE(dispatcher_.Handle(schedule::Arrived{{"first", 1}}));
  EXPECT_FALSE(dispatcher_.Handle(schedule::Cancelled{"first", "x"}));
}

TEST_F(DispatcherTest, SaysWhatHasEnded) {
  EXPECT_FALSE(dispatcher_.Handle(schedule::Cancelled{"nosuch", "x"}));
  dispatcher_.Handle(schedule::WorkerUp{"w1", 1, {}});
  const auto task = Submit("t");
  EXPECT_TRUE(dispatcher_.Handle(schedule::Finished{{"t", 1}}));
  EXPECT_FALSE(dispatcher_.Handle(schedule::Lost{{"t", 1}, false}));
  EXPECT_TRUE(task->rejects.empty());
}

}  // namespace
}  // namespace eider::coordinator
