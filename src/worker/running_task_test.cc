#include "worker/running_task.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "worker/fake_engine.h"
#include "worker/stream.h"

namespace eider::worker {
namespace {

using base::ErrorCode;
using base::ErrorOf;
using base::MakeError;

class RunningTaskTest : public testing::Test {
 protected:
  std::unique_ptr<TaskStream> Begin(const std::string& sql) {
    protocol::Ticket ticket;
    ticket.attempt = {.task_id = "t" + std::to_string(++tasks_), .attempt = 1};
    ticket.worker_id = "w1";
    ticket.boot_id = "b1";
    ticket.expires_at_ms = clock_.MonotonicMs() + 1'000;
    ticket.sql = sql;
    ticket.cache_mode = cache_mode_;
    auto admitted = admission_.Admit(SealTicket(ticket, key_));
    EXPECT_TRUE(admitted.ok()) << admitted.status();
    Client client{.gone = [this] { return client_gone_.load(); },
                  .disconnect = [this] { ++disconnected_; }};
    task_ = std::make_shared<RunningTask>(
        *std::move(admitted), engine_, limits_, client, clock_,
        [this](const protocol::Finished& finished, SlotPermit permit) {
          finished_.push_back(finished);
        },
        defer_);
    return std::make_unique<TaskStream>(task_);
  }

  void ExpectEnded(const std::string& error) {
    ASSERT_EQ(finished_.size(), 1u);
    const auto& got = finished_[0].error;
    EXPECT_EQ(got ? base::ErrorName(got->code) : "", error);
    EXPECT_EQ(admission_.occupied(), 0);
  }

  base::ManualClock clock_;
  const protocol::ClusterKey key_ = protocol::ClusterKey::Generate();
  Admission admission_{"w1", "b1", 4, key_, clock_};
  RunningTask::Limits limits_{.timeout_ms = 1'000, .stall_timeout_ms = 300};
  std::shared_ptr<FakeGate> gate_ = std::make_shared<FakeGate>();
  std::shared_ptr<FakeEngine> engine_ = std::make_shared<FakeEngine>(gate_);
  std::atomic<bool> client_gone_ = false;
  int disconnected_ = 0;
  RunningTask::Defer defer_;
  protocol::CacheMode cache_mode_ = protocol::CacheMode::kUse;
  std::shared_ptr<RunningTask> task_;
  std::vector<protocol::Finished> finished_;
  int tasks_ = 0;
};

TEST_F(RunningTaskTest, TheProperEndEndsItOnce) {
  auto stream = Begin("give 2");
  ASSERT_TRUE(stream->Execute().ok());
  EXPECT_EQ(stream->schema()->num_fields(), 1);
  EXPECT_NE(stream->Next().ValueOrDie(), nullptr);
  EXPECT_NE(stream->Next().ValueOrDie(), nullptr);
  EXPECT_TRUE(finished_.empty());
  EXPECT_EQ(admission_.occupied(), 1);
  EXPECT_EQ(stream->Next().ValueOrDie(), nullptr);
  EXPECT_EQ(stream->Next().ValueOrDie(), nullptr);
  stream->Cancel();
  stream.reset();
  ExpectEnded("");
  EXPECT_EQ(finished_[0].figures.rows, 2);
  EXPECT_EQ(finished_[0].attempt.task_id, "t1");
}

TEST_F(RunningTaskTest, ReportsWhatItWrote) {
  auto stream = Begin("write s3://b/k");
  ASSERT_TRUE(stream->Execute().ok());
  while (*stream->Next() != nullptr) {
  }
  ASSERT_EQ(finished_.size(), 1u);
  EXPECT_EQ(finished_[0].written, std::vector<std::string>{"s3://b/k"});
}

TEST_F(RunningTaskTest, TheEngineKnowsItsCacheMode) {
  for (const auto mode : {protocol::CacheMode::kUse, protocol::CacheMode::kPassive,
                          protocol::CacheMode::kOff, protocol::CacheMode::kRefresh}) {
    cache_mode_ = mode;
    ASSERT_TRUE(Begin("give 1")->Execute().ok());
    EXPECT_EQ(engine_->cache_mode.load(), mode);
  }
}

TEST_F(RunningTaskTest, TheEngineKnowsItsDeadline) {
  using Clock = std::chrono::steady_clock;
  const auto before = Clock::now();
  auto stream = Begin("give 1");
  ASSERT_TRUE(stream->Execute().ok());
  EXPECT_GE(engine_->deadline.load(), before + std::chrono::milliseconds(1'000));
  EXPECT_LE(engine_->deadline.load(), Clock::now() + std::chrono::milliseconds(1'000));
  limits_.timeout_ms = 0;
  stream = Begin("give 1");
  ASSERT_TRUE(stream->Execute().ok());
  EXPECT_EQ(engine_->deadline.load(), Clock::time_point::max());
  limits_.timeout_ms = std::numeric_limits<int64_t>::max();
  stream = Begin("give 1");
  ASSERT_TRUE(stream->Execute().ok());
  EXPECT_EQ(engine_->deadline.load(), Clock::time_point::max());
}

TEST_F(RunningTaskTest, AnErrorEndsItAndStaysItsError) {
  auto stream = Begin("give 1 then fail");
  ASSERT_TRUE(stream->Execute().ok());
  ASSERT_TRUE(stream->Next().ok());
  EXPECT_EQ(ErrorOf(stream->Next().status()).code, ErrorCode::kStorageUnavailable);
  EXPECT_EQ(ErrorOf(stream->Next().status()).code, ErrorCode::kStorageUnavailable);
  stream.reset();
  ExpectEnded("STORAGE_UNAVAILABLE");
}

TEST_F(RunningTaskTest, AStatementThatDoesNotBindEndsIt) {
  auto stream = Begin("nonsense");
  EXPECT_EQ(ErrorOf(stream->Execute()).code, ErrorCode::kInvalidQuery);
  stream.reset();
  ExpectEnded("INVALID_QUERY");
}

TEST_F(RunningTaskTest, DestroyedEarlyItEndsAsCancelled) {
  auto stream = Begin("give 5");
  ASSERT_TRUE(stream->Execute().ok());
  ASSERT_TRUE(stream->Next().ok());
  stream.reset();
  ExpectEnded("CANCELLED");
  EXPECT_EQ(finished_[0].figures.rows, 1);
}

TEST_F(RunningTaskTest, AnInterruptEndsABlockedNext) {
  auto stream = Begin("give 0 then block");
  ASSERT_TRUE(stream->Execute().ok());
  auto next = std::async(std::launch::async, [&] { return stream->Next().status(); });
  gate_->WaitUntilInside(1);
  task_->Interrupt(MakeError(ErrorCode::kDeadlineExceeded, "too long"));
  task_->Interrupt(MakeError(ErrorCode::kCancelled, "later"));
  EXPECT_EQ(ErrorOf(next.get()).code, ErrorCode::kDeadlineExceeded);
  ExpectEnded("DEADLINE_EXCEEDED");
}

TEST_F(RunningTaskTest, AnInterruptEndsABlockedExecute) {
  auto stream = Begin("bind and block");
  auto executed = std::async(std::launch::async, [&] { return stream->Execute(); });
  gate_->WaitUntilInside(1);
  task_->Interrupt(MakeError(ErrorCode::kCancelled, "cancelled"));
  EXPECT_EQ(ErrorOf(executed.get()).code, ErrorCode::kCancelled);
  ExpectEnded("CANCELLED");
}

TEST_F(RunningTaskTest, InterruptedBetweenTwoBatchesItsSlotIsFreeAtOnce) {
  auto stream = Begin("give 5");
  ASSERT_TRUE(stream->Execute().ok());
  ASSERT_TRUE(stream->Next().ok());
  task_->Interrupt(MakeError(ErrorCode::kCancelled, "cancelled"));
  ExpectEnded("CANCELLED");
  EXPECT_EQ(ErrorOf(stream->Next().status()).code, ErrorCode::kCancelled);
}

TEST_F(RunningTaskTest, WhatIsToldToStopAndRunsOnIsStopping) {
  auto stream = Begin("give 0 then ignore");
  ASSERT_TRUE(stream->Execute().ok());
  EXPECT_EQ(task_->StoppingForMs(), std::nullopt);
  auto next = std::async(std::launch::async, [&] { return stream->Next().status(); });
  gate_->WaitUntilInside(1);
  task_->Interrupt(MakeError(ErrorCode::kCancelled, "cancelled"));
  clock_.Advance(70);
  task_->Interrupt(MakeError(ErrorCode::kCancelled, "again"));
  EXPECT_EQ(task_->StoppingForMs(), 70);
  EXPECT_EQ(admission_.occupied(), 1);
  EXPECT_FALSE(task_->Blocked());
  gate_->Open();
  EXPECT_EQ(ErrorOf(next.get()).code, ErrorCode::kCancelled);
  EXPECT_EQ(task_->StoppingForMs(), std::nullopt);
  ExpectEnded("CANCELLED");
}

TEST_F(RunningTaskTest, InterruptDoesNotWaitForTheEnd) {
  std::function<void()> later;
  defer_ = [&](std::function<void()> end) { later = std::move(end); };
  auto stream = Begin("give 5");
  ASSERT_TRUE(stream->Execute().ok());
  ASSERT_TRUE(stream->Next().ok());
  task_->Interrupt(MakeError(ErrorCode::kCancelled, "cancelled"));
  EXPECT_TRUE(finished_.empty());
  EXPECT_EQ(task_->StoppingForMs(), 0);
  EXPECT_EQ(ErrorOf(stream->Next().status()).code, ErrorCode::kCancelled);
  later();
  ExpectEnded("CANCELLED");
  later = nullptr;
}

TEST_F(RunningTaskTest, AStreamThatDoesNotComeBackIsBlockedAndItsClientDisconnectedOnce) {
  auto stream = Begin("give 5");
  ASSERT_TRUE(stream->Execute().ok());
  ASSERT_TRUE(stream->Next().ok());
  clock_.Advance(300);
  task_->Check();
  ExpectEnded("CANCELLED");
  clock_.Advance(999);
  EXPECT_FALSE(task_->Blocked());
  clock_.Advance(1);
  EXPECT_TRUE(task_->Blocked());
  task_->Check();
  EXPECT_EQ(disconnected_, 0);
  clock_.Advance(4'000);
  task_->Check();
  task_->Check();
  EXPECT_EQ(disconnected_, 1);
  EXPECT_TRUE(task_->Blocked());
  stream.reset();
  EXPECT_FALSE(task_->Blocked());
}

TEST_F(RunningTaskTest, TheClientIsNotAskedAboutAfterTheStreamIsGone) {
  auto stream = Begin("give 5");
  ASSERT_TRUE(stream->Execute().ok());
  stream.reset();
  client_gone_ = true;
  task_->Check();
  ExpectEnded("CANCELLED");
}

TEST_F(RunningTaskTest, CheckSeesAGoneClient) {
  auto stream = Begin("give 5");
  ASSERT_TRUE(stream->Execute().ok());
  task_->Check();
  EXPECT_TRUE(finished_.empty());
  client_gone_ = true;
  task_->Check();
  ExpectEnded("CANCELLED");
}

TEST_F(RunningTaskTest, CheckSeesTheDeadline) {
  limits_.stall_timeout_ms = 0;
  auto stream = Begin("give 5");
  ASSERT_TRUE(stream->Execute().ok());
  clock_.Advance(999);
  task_->Check();
  EXPECT_TRUE(finished_.empty());
  clock_.Advance(1);
  task_->Check();
  ExpectEnded("DEADLINE_EXCEEDED");
  EXPECT_EQ(ErrorOf(stream->Next().status()).code, ErrorCode::kDeadlineExceeded);
}

TEST_F(RunningTaskTest, CheckSeesAStalledClientButNotASlowQuery) {
  auto stream = Begin("give 1 then block");
  ASSERT_TRUE(stream->Execute().ok());
  clock_.Advance(299);
  ASSERT_TRUE(stream->Next().ok());
  clock_.Advance(299);
  task_->Check();
  EXPECT_TRUE(finished_.empty());
  auto next = std::async(std::launch::async, [&] { return stream->Next().status(); });
  gate_->WaitUntilInside(1);
  clock_.Advance(301);
  task_->Check();
  EXPECT_TRUE(finished_.empty());
  client_gone_ = true;
  task_->Check();
  EXPECT_EQ(ErrorOf(next.get()).code, ErrorCode::kCancelled);
}

TEST_F(RunningTaskTest, AStalledClientLosesItsSlot) {
  auto stream = Begin("give 5");
  ASSERT_TRUE(stream->Execute().ok());
  ASSERT_TRUE(stream->Next().ok());
  clock_.Advance(300);
  task_->Check();
  ExpectEnded("CANCELLED");
  EXPECT_NE(finished_[0].error->message.find("did not read"), std::string::npos);
}

}  // namespace
}  // namespace eider::worker
