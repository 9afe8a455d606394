#include "coordinator/membership.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "coordinator/fake_worker.h"

namespace eider::coordinator {
namespace {

class MembershipTest : public testing::Test {
 protected:
  ~MembershipTest() override {
    membership_.Stop();
    for (const auto& [location, worker] : workers_) worker->Kill();
  }

  // Before it is added, by its location.
  FakeWorker& MakeWorker(const std::string& location, const std::string& id) {
    workers_[location] = std::make_shared<FakeWorker>(id, key_);
    return *workers_[location];
  }
  void NoteUp(const std::string& id) {
    {
      base::MutexLock lock(mutex_);
      up_.insert(id);
    }
    changed_.NotifyAll();
  }
  void NoteReady(const std::string& line) {
    {
      base::MutexLock lock(mutex_);
      ready_.push_back(line);
    }
    changed_.NotifyAll();
  }
  std::vector<std::string> WaitForReadiness(size_t changes) {
    base::MutexLock lock(mutex_);
    while (ready_.size() < changes) changed_.Wait(mutex_);
    return ready_;
  }
  void WaitUntilUp(const std::string& id) {
    base::MutexLock lock(mutex_);
    while (!up_.contains(id)) changed_.Wait(mutex_);
  }

  const protocol::ClusterKey key_ = protocol::ClusterKey::Generate();
  const base::ManualClock clock_;  // stands at 0: a clock that was set far back
  std::map<std::string, std::shared_ptr<FakeWorker>> workers_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::set<std::string> up_ EIDER_GUARDED_BY(mutex_);
  std::vector<std::string> ready_ EIDER_GUARDED_BY(mutex_);
  Membership membership_{
      [this](const std::string& location) -> arrow::Result<std::shared_ptr<WorkerClient>> {
        const auto at = workers_.find(location);
        if (at != workers_.end()) return at->second;
        return base::MakeError(base::ErrorCode::kWorkerLost, "nobody is there");
      },
      key_,
      "c1",
      clock_.WallMs(),
      clock_,
      MembershipEvents{.up = [this](const protocol::Hello& hello) { NoteUp(hello.worker_id); },
                       .down = [](const std::string&) {},
                       .draining = [](const std::string&) {},
                       .ready =
                           [this](const std::string& id, bool ready, const std::string& why) {
                             NoteReady(id + (ready ? " is ready" : " is not ready: " + why));
                           },
                       .started = [](const protocol::Started&) {},
                       .finished = [](const std::string&, const protocol::Finished&) {},
                       .tick = [] {}}};
};

TEST_F(MembershipTest, AClockSetBackGoesPastTheEpochThatTheWorkerNames) {
  FakeWorker& worker = MakeWorker("grpc://w1:1", "w1");
  worker.SetEpoch({.epoch = 1'700'000'000'000, .attached = false});
  ASSERT_TRUE(membership_.Add("grpc://w1:1").ok());
  WaitUntilUp("w1");
  EXPECT_EQ(worker.attaches(), (std::pair<int, int64_t>(2, 1'700'000'000'001)));
}

TEST_F(MembershipTest, AWorkerThatALiveCoordinatorHasIsLeftToIt) {
  FakeWorker& worker = MakeWorker("grpc://w1:1", "w1");
  worker.SetEpoch({.epoch = 7, .attached = true});
  ASSERT_TRUE(membership_.Add("grpc://w1:1").ok());
  while (worker.attaches().first == 0) std::this_thread::yield();
  const auto refused = [&] {
    const auto all = membership_.All();
    return all[0].last_error.find("newer epoch 7") != std::string::npos;
  };
  while (!refused()) std::this_thread::yield();
  EXPECT_FALSE(membership_.Find("w1"));
  EXPECT_EQ(worker.attaches(), (std::pair<int, int64_t>(1, 0)));
}

TEST_F(MembershipTest, AWorkerThatWasTakenOverIsNotTakenBack) {
  FakeWorker& worker = MakeWorker("grpc://w1:1", "w1");
  ASSERT_TRUE(membership_.Add("grpc://w1:1").ok());
  WaitUntilUp("w1");
  worker.SetEpoch({.epoch = 7, .attached = false});
  worker.Detach();
  const auto refused = [&] {
    const auto all = membership_.All();
    return all[0].last_error.find("newer epoch 7") != std::string::npos;
  };
  while (!refused()) std::this_thread::yield();
  EXPECT_EQ(worker.attaches(), (std::pair<int, int64_t>(2, 0)));
}

TEST_F(MembershipTest, FindsByIdWhileItIsUp) {
  MakeWorker("grpc://w1:1", "w1");
  MakeWorker("grpc://w2:1", "w2");
  for (const auto& [location, worker] : workers_) ASSERT_TRUE(membership_.Add(location).ok());
  WaitUntilUp("w1");
  WaitUntilUp("w2");
  EXPECT_EQ(membership_.Find("w1")->location, "grpc://w1:1");
  EXPECT_EQ(membership_.Find("w2")->location, "grpc://w2:1");
  workers_["grpc://w1:1"]->Kill();
  while (membership_.Find("w1")) std::this_thread::yield();
  EXPECT_TRUE(membership_.Find("w2"));
  EXPECT_FALSE(membership_.Find("w3"));
}

TEST_F(MembershipTest, TellsWhenReadinessChangesAndOnlyThen) {
  FakeWorker& worker = MakeWorker("grpc://w1:1", "w1");
  ASSERT_TRUE(membership_.Add("grpc://w1:1").ok());
  WaitUntilUp("w1");
  worker.Tell(protocol::Heartbeat{.ready = true});
  worker.Tell(protocol::Heartbeat{.ready = true});
  worker.Tell(protocol::Heartbeat{.not_ready_why = "S3: 403"});
  worker.Tell(protocol::Heartbeat{.not_ready_why = "S3: 403"});
  worker.Tell(protocol::Heartbeat{.not_ready_why = "S3: timeout"});
  worker.Tell(protocol::Heartbeat{.ready = true});
  EXPECT_EQ(WaitForReadiness(4),
            (std::vector<std::string>{"w1 is ready", "w1 is not ready: S3: 403",
                                      "w1 is not ready: S3: timeout", "w1 is ready"}));
}

TEST_F(MembershipTest, TheThreadOfAForgottenWorkerIsJoined) {
  ASSERT_TRUE(membership_.Add("grpc://old:1", "w1").ok());  // nobody is there
  MakeWorker("grpc://new:1", "w1");
  ASSERT_TRUE(membership_.Add("grpc://new:1", "w1").ok());
  WaitUntilUp("w1");
  while (membership_.All().size() > 1) std::this_thread::yield();
  while (membership_.threads() > 2) std::this_thread::yield();  // the watcher and the worker's
}

}  // namespace
}  // namespace eider::coordinator
