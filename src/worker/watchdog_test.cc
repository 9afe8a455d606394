#include "worker/watchdog.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <utility>

#include "base/error.h"
#include "worker/fake_engine.h"
#include "worker/stream.h"

namespace eider::worker {
namespace {

using base::ErrorCode;
using base::ErrorOf;

class WatchdogTest : public testing::Test {
 protected:
  std::unique_ptr<TaskStream> Begin(const std::string& task_id, RunningTask::Limits limits,
                                    std::function<bool()> client_gone,
                                    std::function<void()> disconnect = {}) {
    protocol::Ticket ticket;
    ticket.attempt = {.task_id = task_id, .attempt = 1};
    ticket.worker_id = "w1";
    ticket.boot_id = "b1";
    ticket.expires_at_ms = clock_.MonotonicMs() + 60'000;
    ticket.sql = "give 0 then block";
    auto admitted = admission_.Admit(SealTicket(ticket, key_));
    EXPECT_TRUE(admitted.ok()) << admitted.status();
    auto task = std::make_shared<RunningTask>(
        *std::move(admitted), std::make_shared<FakeEngine>(std::make_shared<FakeGate>()), limits,
        Client{.gone = std::move(client_gone), .disconnect = std::move(disconnect)}, clock_,
        [this](const protocol::Finished& finished, SlotPermit permit) {
          tasks_.NoteEnd(finished.attempt);
        });
    tasks_.Add(task);
    auto stream = std::make_unique<TaskStream>(
        task, [this, closed = task.get()] { tasks_.NoteClosed(closed); });
    EXPECT_TRUE(stream->Execute().ok());
    return stream;
  }

  base::SystemClock clock_;
  const protocol::ClusterKey key_ = protocol::ClusterKey::Generate();
  Admission admission_{"w1", "b1", 4, key_, clock_};
  TaskList tasks_;
  Watchdog watchdog_{tasks_};
};

TEST_F(WatchdogTest, AGoneClientEndsABlockedTask) {
  std::atomic<bool> gone = false;
  auto stream = Begin("t1", {}, [&] { return gone.load(); });
  auto next = std::async(std::launch::async, [&] { return stream->Next().status(); });
  gone = true;
  EXPECT_EQ(ErrorOf(next.get()).code, ErrorCode::kCancelled);
}

TEST_F(WatchdogTest, TheDeadlineEndsABlockedTask) {
  auto stream = Begin("t1", {.timeout_ms = 30}, nullptr);
  EXPECT_EQ(ErrorOf(stream->Next().status()).code, ErrorCode::kDeadlineExceeded);
}

TEST_F(WatchdogTest, ItWakesAgainForALaterTask) {
  for (int i = 0; i < 3; ++i) {
    auto stream = Begin("t" + std::to_string(i), {.timeout_ms = 1}, nullptr);
    EXPECT_EQ(ErrorOf(stream->Next().status()).code, ErrorCode::kDeadlineExceeded);
  }
}

TEST_F(WatchdogTest, AStalledClientsTaskEndsWithoutIt) {
  auto stream = Begin("t1", {.stall_timeout_ms = 30}, nullptr);
  EXPECT_TRUE(
      admission_.WaitIdleUntil(std::chrono::steady_clock::now() + std::chrono::seconds(10)));
}

TEST_F(WatchdogTest, AStreamIsWatchedUntilItIsClosed) {
  std::promise<void> disconnected;
  const RunningTask::Limits limits{
      .stall_timeout_ms = 30, .blocked_after_ms = 0, .blocked_grace_ms = 40};
  auto stream = Begin("t1", limits, nullptr, [&] { disconnected.set_value(); });
  disconnected.get_future().wait();
  EXPECT_TRUE(tasks_.All().empty());
  EXPECT_EQ(tasks_.BlockedStreams(), 1);
  stream.reset();
  EXPECT_EQ(tasks_.BlockedStreams(), 0);
  EXPECT_TRUE(tasks_.Watched().empty());
}

}  // namespace
}  // namespace eider::worker
