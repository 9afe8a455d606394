#include "worker/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "protocol/channel_pair.h"
#include "protocol/handshake.h"
#include "worker/fake_engine.h"

namespace eider::worker {
namespace {

using base::ErrorCode;
using base::ErrorOf;

class WorkerTest : public testing::Test {
 protected:
  static Worker::Options Slots(int slots) {
    Worker::Options options;
    options.slots = slots;
    return options;
  }

  void Start(Worker::Options options) {
    options.id = "w1";
    auto worker = Worker::Start(
        std::move(options),
        [this]() -> arrow::Result<std::unique_ptr<engine::Engine>> {
          ++opened_;
          auto engine = std::make_unique<FakeEngine>(gate_);
          engine_ = engine.get();
          return engine;
        },
        key_, clock_);
    ASSERT_TRUE(worker.ok()) << worker.status();
    worker_ = *std::move(worker);
  }
  void SetUp() override { Start(Slots(2)); }

  std::string Ticket(const std::string& task_id, const std::string& sql) {
    protocol::Ticket ticket;
    ticket.attempt = {.task_id = task_id, .attempt = 1};
    ticket.worker_id = "w1";
    ticket.boot_id = worker_->boot_id();
    ticket.expires_at_ms = clock_.MonotonicMs() + 60'000;
    ticket.sql = sql;
    return SealTicket(ticket, key_);
  }

  arrow::Result<std::unique_ptr<protocol::BatchStream>> Run(const std::string& task_id,
                                                            const std::string& sql) {
    return worker_->Run(Ticket(task_id, sql), {});
  }

  arrow::Status Command(protocol::Command::Kind kind, const std::string& task_id = "",
                        const std::vector<std::string>& urls = {}, int attempt = 0) {
    protocol::Command command;
    command.kind = kind;
    command.worker_id = "w1";
    command.boot_id = worker_->boot_id();
    command.expires_at_ms = clock_.MonotonicMs() + 60'000;
    command.nonce = std::to_string(++nonce_);
    command.attempt = {.task_id = task_id, .attempt = attempt};
    command.urls = urls;
    return worker_->Execute(SealCommand(command, key_));
  }

  base::SystemClock clock_;
  const protocol::ClusterKey key_ = protocol::ClusterKey::Generate();
  std::shared_ptr<FakeGate> gate_ = std::make_shared<FakeGate>();
  std::atomic<int> opened_ = 0;
  std::atomic<FakeEngine*> engine_ = nullptr;
  int nonce_ = 0;
  std::unique_ptr<Worker> worker_;
};

TEST_F(WorkerTest, ATaskRunsAndItsCoordinatorHearsOfIt) {
  auto [worker_end, coordinator_end] = protocol::PairedChannel::Make();
  auto served = std::async(std::launch::async,
                           [&, channel = worker_end.get()] { return worker_->Attach(*channel); });
  auto session = *protocol::Session::Connect(*coordinator_end, key_, "c1", 1);
  const auto hello = std::get<protocol::Hello>(**session->Receive());
  EXPECT_EQ(hello.boot_id, worker_->boot_id());
  EXPECT_EQ(hello.slots, 2);
  EXPECT_TRUE(hello.running.empty());

  auto stream = Run("t1", "give 2");
  ASSERT_TRUE(stream.ok()) << stream.status();
  while (*(*stream)->Next() != nullptr) {
  }
  const auto next_event = [&] {
    protocol::Message message = **session->Receive();
    while (std::holds_alternative<protocol::Heartbeat>(message)) message = **session->Receive();
    return message;
  };
  EXPECT_EQ(std::get<protocol::Started>(next_event()).attempt.task_id, "t1");
  const auto finished = std::get<protocol::Finished>(next_event());
  EXPECT_FALSE(finished.error.has_value());
  EXPECT_EQ(finished.figures.rows, 2);
  coordinator_end.reset();
  EXPECT_TRUE(served.get().ok());
}

TEST_F(WorkerTest, TheSlotOfATicketThatIsCancelledOnItsWayIsFreeAtOnce) {
  auto [worker_end, coordinator_end] = protocol::PairedChannel::Make();
  auto served = std::async(std::launch::async,
                           [&, channel = worker_end.get()] { return worker_->Attach(*channel); });
  auto session = *protocol::Session::Connect(*coordinator_end, key_, "c1", 1);
  ASSERT_TRUE(std::holds_alternative<protocol::Hello>(**session->Receive()));
  ASSERT_TRUE(Command(protocol::Command::Kind::kCancel, "t1", {}, 1).ok());
  protocol::Message message = **session->Receive();
  while (std::holds_alternative<protocol::Heartbeat>(message)) message = **session->Receive();
  EXPECT_EQ(std::get<protocol::Finished>(message).attempt.task_id, "t1");
  EXPECT_EQ(ErrorOf(Run("t1", "give 1").status()).code, ErrorCode::kPermissionDenied);
  coordinator_end.reset();
  EXPECT_TRUE(served.get().ok());
}

TEST_F(WorkerTest, ATicketThatIsRefusedTakesNoSlot) {
  EXPECT_EQ(ErrorOf(worker_->Run("forged", {}).status()).code, ErrorCode::kPermissionDenied);
  EXPECT_EQ(ErrorOf(Run("t1", "nonsense").status()).code, ErrorCode::kInvalidQuery);
  auto first = Run("t2", "give 1");
  auto second = Run("t3", "give 1");
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(ErrorOf(Run("t4", "give 1").status()).code, ErrorCode::kOverloaded);
}

TEST_F(WorkerTest, CancelReachesTheRunningTaskAndItsLaterTickets) {
  auto stream = *Run("t1", "give 0 then block");
  auto next = std::async(std::launch::async, [&] { return stream->Next().status(); });
  gate_->WaitUntilInside(1);
  ASSERT_TRUE(Command(protocol::Command::Kind::kCancel, "t1").ok());
  EXPECT_EQ(ErrorOf(next.get()).code, ErrorCode::kCancelled);
  EXPECT_EQ(ErrorOf(Run("t1", "give 1").status()).code, ErrorCode::kPermissionDenied);
}

TEST_F(WorkerTest, BlockedStreamsAreBounded) {
  Worker::Options options = Slots(4);
  options.stall_timeout_ms = 10;
  options.max_blocked_streams = 2;
  Start(std::move(options));
  auto first = *Run("t1", "give 2");
  auto second = *Run("t2", "give 2");
  ASSERT_TRUE(first->Next().ok() && second->Next().ok());
  // Neither is read any more: their tasks end, and their threads do not come back.
  const auto refused = [&] { return worker_->Run("forged", {}).status(); };
  while (ErrorOf(refused()).code == ErrorCode::kPermissionDenied) std::this_thread::yield();
  EXPECT_EQ(ErrorOf(refused()).code, ErrorCode::kOverloaded);
  EXPECT_EQ(ErrorOf(Run("t3", "give 1").status()).code, ErrorCode::kOverloaded);
  first.reset();
  EXPECT_TRUE(Run("t3", "give 1").ok());
}

TEST_F(WorkerTest, ClearCacheReachesTheEngine) {
  ASSERT_TRUE(Command(protocol::Command::Kind::kClearCache).ok());
  EXPECT_EQ(engine_.load()->cleared, 1);
  EXPECT_EQ(ErrorOf(worker_->Execute("forged")).code, ErrorCode::kPermissionDenied);
}

TEST_F(WorkerTest, InvalidateReachesTheEngine) {
  ASSERT_TRUE(Command(protocol::Command::Kind::kInvalidate, "", {"s3://b/k", "s3://b/p/"}).ok());
  EXPECT_THAT(engine_.load()->invalidated(), testing::ElementsAre("s3://b/k", "s3://b/p/"));
}

TEST_F(WorkerTest, ATasksEndSaysWhatItWroteAndWhatItCost) {
  std::vector<protocol::Finished> ended;
  Worker::Options options = Slots(1);
  options.prices = {.per_1000_requests = 1'000'000};
  options.on_task_end = [&](const protocol::Finished& finished) { ended.push_back(finished); };
  Start(std::move(options));
  auto [worker_end, coordinator_end] = protocol::PairedChannel::Make();
  auto served = std::async(std::launch::async,
                           [&, channel = worker_end.get()] { return worker_->Attach(*channel); });
  auto session = *protocol::Session::Connect(*coordinator_end, key_, "c1", 1);
  ASSERT_TRUE(std::holds_alternative<protocol::Hello>(**session->Receive()));
  auto stream = *Run("t1", "write s3://b/k");
  while (*stream->Next() != nullptr) {
  }
  protocol::Message message = **session->Receive();
  while (!std::holds_alternative<protocol::Finished>(message)) message = **session->Receive();
  const auto finished = std::get<protocol::Finished>(message);
  EXPECT_THAT(finished.written, testing::ElementsAre("s3://b/k"));
  EXPECT_EQ(finished.figures.cost_nanousd, 2'000);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].figures, finished.figures);
  // Heartbeats from now on count its reads.
  while (!std::holds_alternative<protocol::Heartbeat>(message) ||
         std::get<protocol::Heartbeat>(message).cache.hits == 0) {
    message = **session->Receive();
  }
  const protocol::CacheFigures cache = std::get<protocol::Heartbeat>(message).cache;
  EXPECT_EQ(cache.budget_bytes, 1'000);
  EXPECT_EQ(cache.misses, 1);
  coordinator_end.reset();
  EXPECT_TRUE(served.get().ok());
}

TEST_F(WorkerTest, ADrainWaitsForWhatRuns) {
  auto stream = *Run("t1", "give 1");
  auto drained = std::async(std::launch::async, [&] { return worker_->Drain(60'000); });
  ASSERT_TRUE((*stream->Next()) != nullptr);
  EXPECT_EQ(*stream->Next(), nullptr);
  EXPECT_TRUE(drained.get().ok());
  EXPECT_EQ(ErrorOf(Run("t2", "give 1").status()).code, ErrorCode::kOverloaded);
}

TEST_F(WorkerTest, ADrainInterruptsWhatDoesNotFinish) {
  auto stream = *Run("t1", "give 0 then block");
  auto next = std::async(std::launch::async, [&] { return stream->Next().status(); });
  gate_->WaitUntilInside(1);
  EXPECT_TRUE(worker_->Drain(1).ok());
  const base::ErrorInfo error = ErrorOf(next.get());
  EXPECT_EQ(error.code, ErrorCode::kWorkerLost);
  EXPECT_TRUE(error.retryable);
}

TEST_F(WorkerTest, ADrainIsOrderedOnce) {
  int ordered = 0;
  Worker::Options options = Slots(1);
  options.on_drain = [&] { ++ordered; };
  Start(std::move(options));
  ASSERT_TRUE(Command(protocol::Command::Kind::kDrain).ok());
  ASSERT_TRUE(Command(protocol::Command::Kind::kDrain).ok());
  EXPECT_EQ(ordered, 1);
}

TEST_F(WorkerTest, AFatalEngineIsRebuiltOnceTheOthersAreGone) {
  auto other = *Run("t1", "give 1");
  EXPECT_FALSE(Run("t2", "fatal").ok());
  EXPECT_FALSE(worker_->NotReadyWhy().empty());
  EXPECT_EQ(ErrorOf(Run("t3", "give 1").status()).code, ErrorCode::kOverloaded);
  EXPECT_EQ(opened_, 1);
  other.reset();
  while (!worker_->NotReadyWhy().empty()) std::this_thread::yield();
  EXPECT_EQ(opened_, 2);
  EXPECT_TRUE(Run("t3", "give 1").ok());
}

TEST_F(WorkerTest, ReadyWhenTheProbeHasSucceeded) {
  std::promise<void> may_succeed;
  Worker::Options options = Slots(1);
  options.probe = [&] {
    may_succeed.get_future().wait();
    return arrow::Status::OK();
  };
  Start(std::move(options));
  EXPECT_FALSE(worker_->NotReadyWhy().empty());
  may_succeed.set_value();
  while (!worker_->NotReadyWhy().empty()) std::this_thread::yield();
}

// Storage that answers its probe or not.
class ProbedWorkerTest : public WorkerTest {
 protected:
  void SetUp() override {
    Worker::Options options = Slots(1);
    options.probe = [this]() -> arrow::Status {
      ++probes_;
      if (answers_) return arrow::Status::OK();
      return arrow::Status::IOError("S3 is out of reach");
    };
    Start(std::move(options));
    WaitUntilReady();
  }
  void WaitUntilReady() {
    while (!worker_->NotReadyWhy().empty()) std::this_thread::yield();
  }
  // Runs a statement to its end, whatever that is.
  void RunOut(const std::string& task_id, const std::string& sql) {
    auto stream = Run(task_id, sql);
    if (!stream.ok()) return;
    for (auto batch = (*stream)->Next(); batch.ok() && *batch != nullptr;) {
      batch = (*stream)->Next();
    }
  }

  std::atomic<int> probes_ = 0;
  std::atomic<bool> answers_ = true;
};

TEST_F(ProbedWorkerTest, IsNotReadyWhileStorageIsAway) {
  answers_ = false;
  RunOut("t1", "give 1 then fail");
  while (worker_->NotReadyWhy().empty()) std::this_thread::yield();
  EXPECT_THAT(worker_->NotReadyWhy(), testing::HasSubstr("S3 is out of reach"));
  // It still runs what comes: only the scheduler knows whether others are better.
  EXPECT_TRUE(Run("t2", "give 1").ok());
  answers_ = true;
  WaitUntilReady();
}

TEST_F(ProbedWorkerTest, AsksWhereNoTaskEnds) {
  Worker::Options options = Slots(1);
  options.probe = [this] {
    return ++probes_ > 2 ? arrow::Status::IOError("gone") : arrow::Status();
  };
  options.storage_doubt_ms = 1;
  probes_ = 0;
  Start(std::move(options));
  WaitUntilReady();
  auto [worker_end, coordinator_end] = protocol::PairedChannel::Make();
  auto served = std::async(std::launch::async,
                           [&, channel = worker_end.get()] { return worker_->Attach(*channel); });
  auto session = *protocol::Session::Connect(*coordinator_end, key_, "c1", 1);
  const auto stream = *Run("t1", "give 1");  // taken from no more
  while (worker_->NotReadyWhy().empty()) ASSERT_TRUE(session->Receive().ok());
  EXPECT_GE(probes_, 3);
  coordinator_end.reset();
  EXPECT_TRUE(served.get().ok());
}

TEST_F(ProbedWorkerTest, StaysReadyWhereStorageAnswers) {
  RunOut("t1", "give 1 then fail");
  while (probes_ < 2) std::this_thread::yield();
  EXPECT_EQ(worker_->NotReadyWhy(), "");
}

}  // namespace
}  // namespace eider::worker
