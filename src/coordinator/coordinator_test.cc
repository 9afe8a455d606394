#include "coordinator/coordinator.h"

#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "coordinator/fake_worker.h"
#include "protocol/message.h"

namespace eider::coordinator {
namespace {

using base::ErrorCode;
using base::MakeError;
using testing::HasSubstr;
using testing::StartsWith;

// Collects a result and lets a test wait for its end.
class CollectingSink final : public ResultSink {
 public:
  arrow::Status Begin(const ClaimInfo& claim) override {
    base::MutexLock lock(mutex_);
    claim_ = claim;
    return arrow::Status::OK();
  }
  arrow::Status Write(std::shared_ptr<arrow::Buffer> bytes) override {
    {
      base::MutexLock lock(mutex_);
      body_ += bytes->ToString();
      ++writes_;
    }
    changed_.NotifyAll();
    return refuse_writes ? MakeError(ErrorCode::kCancelled, "the client has gone")
                         : arrow::Status::OK();
  }
  int64_t figures_wait_ms() const override { return wait_ms; }
  void Report(const protocol::Figures& figures) override {
    base::MutexLock lock(mutex_);
    EXPECT_FALSE(end_) << "figures after the end";
    figures_ = figures;
  }
  void End() override { Finish(arrow::Status::OK()); }
  void Fail(const arrow::Status& why) override { Finish(why); }

  arrow::Status WaitForEnd() {
    base::MutexLock lock(mutex_);
    while (!end_) changed_.Wait(mutex_);
    return *end_;
  }
  bool ended() {
    base::MutexLock lock(mutex_);
    return end_.has_value();
  }
  void WaitForWrite() {
    base::MutexLock lock(mutex_);
    while (writes_ == 0) changed_.Wait(mutex_);
  }
  std::optional<protocol::Figures> figures() {
    base::MutexLock lock(mutex_);
    return figures_;
  }
  ClaimInfo claim() {
    base::MutexLock lock(mutex_);
    return claim_;
  }
  int64_t Rows() {
    base::MutexLock lock(mutex_);
    auto input = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(body_));
    auto reader = arrow::ipc::RecordBatchStreamReader::Open(input).ValueOrDie();
    return reader->ToTable().ValueOrDie()->num_rows();
  }

  bool refuse_writes = false;
  int64_t wait_ms = 0;

 private:
  void Finish(arrow::Status status) {
    {
      base::MutexLock lock(mutex_);
      EXPECT_FALSE(end_) << "a second end: " << status;
      end_ = std::move(status);
    }
    changed_.NotifyAll();
  }

  base::Mutex mutex_;
  base::CondVar changed_;
  std::string body_ EIDER_GUARDED_BY(mutex_);
  int writes_ EIDER_GUARDED_BY(mutex_) = 0;
  ClaimInfo claim_ EIDER_GUARDED_BY(mutex_);
  std::optional<protocol::Figures> figures_ EIDER_GUARDED_BY(mutex_);
  std::optional<arrow::Status> end_ EIDER_GUARDED_BY(mutex_);
};

class CoordinatorTest : public testing::Test {
 protected:
  // Two workers, a query of a file, and the file's home: where it has run quickly once.
  std::pair<protocol::Query, std::string> StartAndLearn() {
    Start({"w1", "w2"});
    protocol::Query query = Select();
    query.files = {"s3://b/k"};
    const auto quick = Submit(query);
    EXPECT_TRUE(quick->WaitForEnd().ok());
    EXPECT_EQ(Record(submitted_->query_id())["state"], "finished");
    return {query, quick->claim().worker_id};
  }
  // Starts a coordinator over workers of these names, at grpc://NAME:1, and waits until all are
  // ready.
  void Start(const std::vector<std::string>& names) { Start(names, options_); }
  void Start(const std::vector<std::string>& names, Coordinator::Options options) {
    for (const std::string& name : names) {
      workers_[name] = std::make_shared<FakeWorker>(name, key_);
      options.workers.push_back("grpc://" + name + ":1");
    }
    options.log = [this](bool, const std::string& line) {
      base::MutexLock lock(mutex_);
      // Only then has each of them its place in a key's ranks.
      if (line.ends_with(" is ready")) ++ready_;
      log_ += line + "\n";
      changed_.NotifyAll();
    };
    const auto factory =
        [this](const std::string& location) -> arrow::Result<std::shared_ptr<WorkerClient>> {
      const std::string name = location.substr(7, location.size() - 9);
      base::MutexLock lock(mutex_);
      const auto at = workers_.find(name);
      if (at == workers_.end()) return MakeError(ErrorCode::kWorkerLost, "nobody is there");
      return at->second;
    };
    coordinator_ = Coordinator::Start(options, factory, key_, clock_).ValueOrDie();
    base::MutexLock lock(mutex_);
    while (ready_ < static_cast<int>(names.size())) changed_.Wait(mutex_);
  }
  ~CoordinatorTest() override {
    if (coordinator_ != nullptr) coordinator_->Stop();
    for (const auto& [name, worker] : workers_) worker->Kill();
  }

  static protocol::Query Select() {
    protocol::Query query;
    query.sql = "SELECT 42";
    return query;
  }
  static protocol::Query Copy() {
    protocol::Query query;
    query.sql = "COPY (SELECT 42) TO 's3://b/k.parquet'";
    query.write = true;
    return query;
  }
  // Which worker runs a query of this key, by running one there.
  std::string HomeOf(const protocol::Query& query) {
    const auto sink = Submit(query);
    EXPECT_TRUE(sink->WaitForEnd().ok());
    EXPECT_EQ(Record(submitted_->query_id())["state"], "finished");
    return sink->claim().worker_id;
  }
  void WaitForLog(const std::string& part) {
    base::MutexLock lock(mutex_);
    while (log_.find(part) == std::string::npos) changed_.Wait(mutex_);
  }
  std::shared_ptr<CollectingSink> Submit(protocol::Query query = Select(), int64_t wait_ms = 0) {
    auto sink = std::make_shared<CollectingSink>();
    sink->wait_ms = wait_ms;
    submitted_ = coordinator_->Relay(std::move(query), sink);
    return sink;
  }
  nlohmann::json Record(const std::string& query_id, int64_t wait_ms = 10'000) {
    return nlohmann::json::parse(coordinator_->QueryJson(query_id, wait_ms).ValueOrDie());
  }

  const protocol::ClusterKey key_ = protocol::ClusterKey::Generate();
  const base::SystemClock clock_;
  std::map<std::string, std::shared_ptr<FakeWorker>> workers_;
  std::unique_ptr<Coordinator> coordinator_;
  std::shared_ptr<Submitted> submitted_;
  base::Mutex mutex_;
  base::CondVar changed_;
  int ready_ EIDER_GUARDED_BY(mutex_) = 0;
  std::string log_ EIDER_GUARDED_BY(mutex_);
  Coordinator::Options options_;
};

TEST_F(CoordinatorTest, RelaysAWholeResult) {
  Start({"w1"});
  workers_["w1"]->SetScripts({{.batches = 5}});
  const auto sink = Submit();
  ASSERT_TRUE(sink->WaitForEnd().ok());
  EXPECT_EQ(sink->Rows(), 5);
  EXPECT_EQ(sink->claim().worker_id, "w1");
  EXPECT_EQ(sink->claim().location, "grpc://w1:1");
  const auto record = Record(submitted_->query_id());
  EXPECT_EQ(record["state"], "finished");
  EXPECT_EQ(record["rows"], 5);
  EXPECT_EQ(record["reason"], sink->claim().reason);
  const auto ticket = workers_["w1"]->tickets().at(0);
  EXPECT_EQ(ticket.sql, "SELECT 42");
  EXPECT_EQ(ticket.boot_id, "boot");
  EXPECT_GT(ticket.timeout_ms, 0);
}

TEST_F(CoordinatorTest, RefusesBeforeAnyWorkerIsAsked) {
  Start({"w1"});
  protocol::Query query = Select();
  query.sql = "SELEC 42";
  const auto sink = Submit(query);
  EXPECT_EQ(base::ErrorOf(sink->WaitForEnd()).code, ErrorCode::kInvalidQuery);
  EXPECT_TRUE(workers_["w1"]->tickets().empty());
  EXPECT_EQ(Record(submitted_->query_id())["state"], "failed");
}

TEST_F(CoordinatorTest, WhereNothingFindsRoomTheSqlIsNotRead) {
  Coordinator::Options options;
  options.schedule.max_waiting = 1;
  Start({}, options);
  protocol::Query query = Select();
  query.sql = "SELEC 42";
  EXPECT_EQ(base::ErrorOf(Submit(query)->WaitForEnd()).code, ErrorCode::kInvalidQuery);
  const auto waits = Submit();
  const base::ErrorInfo refused = base::ErrorOf(Submit(query)->WaitForEnd());
  EXPECT_EQ(refused.code, ErrorCode::kOverloaded);
  EXPECT_GT(refused.retry_after_ms.value_or(0), 0);
  EXPECT_EQ(Record(submitted_->query_id())["error"]["code"], "OVERLOADED");
  std::string query_id;
  const auto handed = coordinator_->Hand(query, 10'000, &query_id);
  EXPECT_EQ(base::ErrorOf(handed.status()).code, ErrorCode::kOverloaded);
  EXPECT_EQ(Record(query_id)["error"]["code"], "OVERLOADED");
  EXPECT_FALSE(waits->ended());
}

TEST_F(CoordinatorTest, ExplainsWithoutRunning) {
  Start({"w1", "w2"});
  protocol::Query query = Select();
  query.files = {"s3://b/2", "s3://b/1"};
  query.cache_mode = protocol::CacheMode::kRefresh;
  const auto route = nlohmann::json::parse(coordinator_->Explain(query).ValueOrDie());
  EXPECT_EQ(route["key"], *KeyOf({"s3://b/1", "s3://b/2"}));
  EXPECT_EQ(route["files"], (std::vector<std::string>{"s3://b/1", "s3://b/2"}));
  EXPECT_EQ(route["writes"], false);
  EXPECT_EQ(route["cache_mode"], "refresh");
  EXPECT_EQ(route["worker"], HomeOf(query));
  EXPECT_TRUE(nlohmann::json::parse(coordinator_->Explain(Select()).ValueOrDie())["key"].is_null());
  EXPECT_TRUE(nlohmann::json::parse(coordinator_->Explain(Copy()).ValueOrDie())["writes"]);
  query.sql = "SELEC 42";
  EXPECT_EQ(base::ErrorOf(coordinator_->Explain(query).status()).code, ErrorCode::kInvalidQuery);
  EXPECT_EQ(nlohmann::json::parse(coordinator_->QueriesJson())["queries"].size(), 1u) << "HomeOf's";
}

TEST_F(CoordinatorTest, AWorkerIsHeldBackWhileItsHeartbeatSaysThatItIsNotReady) {
  Start({"w1"});
  const auto held_back = [&] {
    return nlohmann::json::parse(coordinator_->WorkersJson())["workers"][0]["held_back"]
        .get<std::string>();
  };
  EXPECT_EQ(held_back(), "");
  workers_["w1"]->Tell(protocol::Heartbeat{.not_ready_why = "S3: 403"});
  WaitForLog("worker w1 is not ready: S3: 403");
  while (held_back() != "S3: 403") std::this_thread::yield();
  workers_["w1"]->Tell(protocol::Heartbeat{.ready = true});
  while (!held_back().empty()) std::this_thread::yield();
}

TEST_F(CoordinatorTest, TheTasksOwnErrorArrivesAsItIs) {
  Start({"w1"});
  workers_["w1"]->SetScripts({{.start = MakeError(ErrorCode::kNotFound, "s3://b/k: 404")}});
  EXPECT_EQ(base::ErrorOf(Submit()->WaitForEnd()).code, ErrorCode::kNotFound);
  workers_["w1"]->SetScripts(
      {{.batches = 2, .after = MakeError(ErrorCode::kInvalidQuery, "cast")}});
  EXPECT_EQ(base::ErrorOf(Submit()->WaitForEnd()).code, ErrorCode::kInvalidQuery);
}

TEST_F(CoordinatorTest, ALostWorkerCostsARetryWhereNothingWasDelivered) {
  const auto [query, home] = StartAndLearn();
  workers_[home]->SetScripts(
      {{.start = MakeError(ErrorCode::kWorkerLost, "connection reset"), .report = false}});
  const auto second = Submit(query);
  ASSERT_TRUE(second->WaitForEnd().ok());
  EXPECT_EQ(second->Rows(), 1);
  const auto record = Record(submitted_->query_id());
  ASSERT_EQ(record["attempts"].size(), 2u);
  EXPECT_EQ(record["attempts"][0]["worker"], home);
  EXPECT_NE(record["attempts"][1]["worker"], home);
}

TEST_F(CoordinatorTest, AQueryLeavesAWorkerThatIsSlow) {
  const auto [query, home] = StartAndLearn();
  workers_[home]->SetScripts({{.batches = 0, .hang = true}});
  const auto first = Submit(query);
  const std::string first_id = submitted_->query_id();
  const auto second = Submit(query);
  ASSERT_TRUE(first->WaitForEnd().ok());
  EXPECT_EQ(first->Rows(), 1);
  EXPECT_NE(first->claim().worker_id, home);
  const auto record = Record(first_id);
  ASSERT_EQ(record["attempts"].size(), 2u);
  EXPECT_THAT(record["reason"].get<std::string>(), StartsWith("moved from " + home + " after "));
  // Its worker is known to be slow now: the other leaves it too.
  ASSERT_TRUE(second->WaitForEnd().ok());
  EXPECT_EQ(second->Rows(), 1);
  EXPECT_NE(second->claim().worker_id, home);
}

TEST_F(CoordinatorTest, WhatHasDeliveredStaysOnASlowWorker) {
  const auto [query, home] = StartAndLearn();
  workers_[home]->SetScripts({{.batches = 1, .hang = true}, {.batches = 0, .hang = true}});
  const auto delivers = Submit(query);
  const auto delivering = submitted_;
  delivers->WaitForWrite();
  const auto moves = Submit(query);
  ASSERT_TRUE(moves->WaitForEnd().ok());
  EXPECT_NE(moves->claim().worker_id, home);
  EXPECT_EQ(delivers->claim().worker_id, home);
  delivering->Cancel("enough");
  EXPECT_EQ(base::ErrorOf(delivers->WaitForEnd()).code, ErrorCode::kCancelled);
}

TEST_F(CoordinatorTest, AWorkerKilledAfterRowsIsAnErrorNeverAShortResult) {
  Start({"w1"});
  workers_["w1"]->SetScripts({{.batches = 1, .hang = true}});
  const auto sink = Submit();
  sink->WaitForWrite();
  workers_["w1"]->Kill();
  const arrow::Status end = sink->WaitForEnd();
  EXPECT_EQ(base::ErrorOf(end).code, ErrorCode::kWorkerLost);
  EXPECT_TRUE(base::ErrorOf(end).retryable);
  EXPECT_EQ(Record(submitted_->query_id())["error"]["code"], "WORKER_LOST");
}

TEST_F(CoordinatorTest, AResultThatItsWorkerHasFinishedArrivesOrIsLost) {
  Coordinator::Options options;
  options.finished_grace_ms = 1;
  Start({"w1"}, options);
  workers_["w1"]->SetScripts({{.batches = 1, .vanish = true}});
  const base::ErrorInfo error = base::ErrorOf(Submit()->WaitForEnd());
  EXPECT_EQ(error.code, ErrorCode::kWorkerLost);
  EXPECT_TRUE(error.retryable);
  EXPECT_THAT(error.message, HasSubstr("did not arrive"));
}

TEST_F(CoordinatorTest, WhereNothingOfAResultArrivedTheQueryRunsAgain) {
  Coordinator::Options options;
  options.finished_grace_ms = 1;
  Start({"w1"}, options);
  workers_["w1"]->SetScripts({{.batches = 0, .vanish = true}, {.batches = 3}});
  const auto sink = Submit();
  ASSERT_TRUE(sink->WaitForEnd().ok());
  EXPECT_EQ(sink->Rows(), 3);
}

TEST_F(CoordinatorTest, WhoseTimeIsUpIsToldThoughItsWorkerDoesNotStop) {
  Coordinator::Options options;
  options.deadline_grace_ms = 1;
  Start({"w1"}, options);
  workers_["w1"]->SetScripts({{.batches = 1, .hang = true}});
  protocol::Query query = Select();
  query.timeout_ms = 50;
  EXPECT_EQ(base::ErrorOf(Submit(query)->WaitForEnd()).code, ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(workers_["w1"]->WaitForCommand().kind, protocol::Command::Kind::kCancel);
}

TEST_F(CoordinatorTest, TheEndWaitsForWhatTheQueryCostAndNotForLong) {
  Start({"w1"});
  workers_["w1"]->SetScripts({{.batches = 3}, {.batches = 3, .report = false}});
  const auto told = Submit(Select(), /*wait_ms=*/10'000);
  ASSERT_TRUE(told->WaitForEnd().ok());
  ASSERT_TRUE(told->figures());
  EXPECT_EQ(told->figures()->rows, 3);
  const auto untold = Submit(Select(), /*wait_ms=*/20);
  ASSERT_TRUE(untold->WaitForEnd().ok());
  EXPECT_EQ(untold->Rows(), 3);
  EXPECT_FALSE(untold->figures());
}

TEST_F(CoordinatorTest, MoreRelaysThanThreadsWaitInLine) {
  Coordinator::Options options;
  options.max_relays = 1;
  options.schedule.claim_expiry_ms = 50;
  Start({"w1"}, options);
  workers_["w1"]->SetScripts({{.batches = 1, .hang = true}, {}});
  const auto first = Submit();
  first->WaitForWrite();
  const auto first_id = submitted_->query_id();
  const auto second = Submit();  // there is a slot for it, but no thread
  EXPECT_EQ(Record(submitted_->query_id(), 200)["state"], "waiting");
  ASSERT_TRUE(coordinator_->CancelQuery(first_id).ok());
  EXPECT_TRUE(second->WaitForEnd().ok());
}

TEST_F(CoordinatorTest, AFullWorkersRefusalGoesBackInLine) {
  Start({"w1"});
  workers_["w1"]->SetScripts(
      {{.start = MakeError(ErrorCode::kOverloaded, "full"), .report = false}, {}});
  EXPECT_TRUE(Submit()->WaitForEnd().ok());
  EXPECT_EQ(workers_["w1"]->tickets().size(), 2u);
}

TEST_F(CoordinatorTest, ACancelReachesTheWorkerAndTheClient) {
  Start({"w1"});
  workers_["w1"]->SetScripts({{.batches = 1, .hang = true}});
  const auto sink = Submit();
  sink->WaitForWrite();
  ASSERT_TRUE(coordinator_->CancelQuery(submitted_->query_id()).ok());
  EXPECT_EQ(base::ErrorOf(sink->WaitForEnd()).code, ErrorCode::kCancelled);
  const protocol::Command command = workers_["w1"]->WaitForCommand();
  EXPECT_EQ(command.kind, protocol::Command::Kind::kCancel);
  EXPECT_EQ(command.attempt.task_id, submitted_->query_id() + ".0");
  EXPECT_FALSE(coordinator_->CancelQuery(submitted_->query_id()).ok());
  EXPECT_FALSE(coordinator_->CancelQuery("nosuch").ok());
}

TEST_F(CoordinatorTest, AClientThatWentAwayStopsItsTask) {
  Start({"w1"});
  workers_["w1"]->SetScripts({{.batches = 1, .hang = true}});
  auto sink = std::make_shared<CollectingSink>();
  sink->refuse_writes = true;
  submitted_ = coordinator_->Relay(Select(), sink);
  EXPECT_FALSE(sink->WaitForEnd().ok());
  EXPECT_EQ(workers_["w1"]->WaitForCommand().kind, protocol::Command::Kind::kCancel);
}

TEST_F(CoordinatorTest, HandsOverATicketThatTheWorkerTakes) {
  Start({"w1"});
  std::string query_id;
  const auto claim = coordinator_->Hand(Select(), 10'000, &query_id);
  ASSERT_TRUE(claim.ok()) << claim.status();
  ASSERT_TRUE(*claim);
  EXPECT_EQ((*claim)->location, "grpc://w1:1");
  EXPECT_EQ(protocol::OpenTicket((*claim)->ticket, key_)->query_id, query_id);
  auto stream = workers_["w1"]->Run((*claim)->ticket).ValueOrDie();
  ASSERT_TRUE(stream->Start().ok());
  while (*stream->Next() != nullptr) {
  }
  EXPECT_EQ(Record(query_id)["state"], "finished");
}

TEST_F(CoordinatorTest, AHandedQueryWaitsInLineAndIsAskedForAgain) {
  Start({});
  std::string query_id;
  const auto waiting = coordinator_->Hand(Select(), 1, &query_id);
  ASSERT_TRUE(waiting.ok()) << waiting.status();
  EXPECT_FALSE(*waiting);
  workers_["late"] = std::make_shared<FakeWorker>("late", key_);
  const auto announced = protocol::SealAnnouncement({"late", "boot", "grpc://late:1"}, key_);
  ASSERT_TRUE(coordinator_->Announce(announced).ok());
  const auto claim = coordinator_->WaitForClaim(query_id, 10'000);
  ASSERT_TRUE(claim.ok()) << claim.status();
  EXPECT_EQ((*claim)->worker_id, "late");
  EXPECT_FALSE(coordinator_->WaitForClaim("nosuch", 1).ok());
}

TEST_F(CoordinatorTest, AForgedAnnouncementIsDenied) {
  Start({});
  const auto other = protocol::ClusterKey::Generate();
  const arrow::Status status =
      coordinator_->Announce(protocol::SealAnnouncement({"x", "b", "grpc://x:1"}, other));
  EXPECT_EQ(base::ErrorOf(status).code, ErrorCode::kPermissionDenied);
}

TEST_F(CoordinatorTest, ClearsOneWorkersCacheOrAll) {
  Start({"w1", "w2"});
  EXPECT_EQ(*coordinator_->ClearCache("grpc://w2:1"), 1);
  EXPECT_EQ(workers_["w2"]->WaitForCommand().kind, protocol::Command::Kind::kClearCache);
  EXPECT_EQ(*coordinator_->ClearCache(""), 2);
  EXPECT_THAT(coordinator_->ClearCache("grpc://w9:1").status().message(), HasSubstr("grpc://w9:1"));
}

TEST_F(CoordinatorTest, AWriteIsAnsweredWhenTheOtherWorkersHaveForgotten) {
  Start({"w1", "w2", "w3"});
  for (const auto& [name, worker] : workers_) {
    worker->SetScripts({{.written = {"s3://b/k.parquet", "s3://b/p/"}}});
    worker->HoldCommands();
  }
  const auto sink = Submit(Copy());
  sink->WaitForWrite();
  const std::string writer = sink->claim().worker_id;
  for (const auto& [name, worker] : workers_) {
    if (name == writer) continue;
    const protocol::Command command = worker->WaitForCommand();
    EXPECT_EQ(command.kind, protocol::Command::Kind::kInvalidate);
    EXPECT_EQ(command.worker_id, name);
    EXPECT_THAT(command.urls, testing::ElementsAre("s3://b/k.parquet", "s3://b/p/"));
    EXPECT_FALSE(sink->ended()) << "answered before " << name;
    worker->ReleaseCommands();
  }
  EXPECT_TRUE(sink->WaitForEnd().ok());
  EXPECT_EQ(workers_[writer]->commands(), 0u);
}

TEST_F(CoordinatorTest, AWorkerThatRefusesIsToldAgain) {
  Start({"w1", "w2"});
  for (const auto& [name, worker] : workers_) {
    worker->SetScripts({{.written = {"s3://b/k"}}});
    worker->RefuseCommands(2);
  }
  const auto sink = Submit(Copy());
  ASSERT_TRUE(sink->WaitForEnd().ok());
  const auto& other = workers_[sink->claim().worker_id == "w1" ? "w2" : "w1"];
  ASSERT_EQ(other->commands(), 3u);
  const std::string nonce = other->WaitForCommand().nonce;
  EXPECT_NE(other->WaitForCommand().nonce, nonce) << "a command works once";
}

TEST_F(CoordinatorTest, AWriteDoesNotWaitForeverForAWorkerThatIsStuck) {
  options_.notices.wait_ms = 20;
  Start({"w1", "w2"});
  for (const auto& [name, worker] : workers_) {
    worker->SetScripts({{.written = {"s3://b/k"}}});
    worker->HoldCommands();
  }
  EXPECT_TRUE(Submit(Copy())->WaitForEnd().ok());
  for (const auto& [name, worker] : workers_) worker->RefuseCommands(3);
  for (const auto& [name, worker] : workers_) worker->ReleaseCommands();
  WaitForLog("was not told what query " + submitted_->query_id() + " wrote");
}

TEST_F(CoordinatorTest, AWorkerThatWasAwayIsToldWhatItMissed) {
  Start({"w1", "w2"});
  protocol::Query write = Copy();
  const std::string writer = HomeOf(write);
  const std::string away = writer == "w1" ? "w2" : "w1";
  workers_[writer]->SetScripts({{.written = {"s3://b/k"}}});
  workers_[away]->Kill();
  WaitForLog("worker " + away + " is down");
  EXPECT_TRUE(Submit(write)->WaitForEnd().ok());
  const auto back = std::make_shared<FakeWorker>(away, key_);
  {
    base::MutexLock lock(mutex_);
    workers_[away] = back;
  }
  const protocol::Command command = back->WaitForCommand();
  EXPECT_EQ(command.kind, protocol::Command::Kind::kInvalidate);
  EXPECT_THAT(command.urls, testing::ElementsAre("s3://b/k"));
}

TEST_F(CoordinatorTest, AWriterThatDiesBeforeItsReportDoesNotHoldTheAnswer) {
  Start({"w1"});
  workers_["w1"]->SetScripts({{.report = false}});
  const auto sink = Submit(Copy());
  sink->WaitForWrite();
  workers_["w1"]->Kill();
  EXPECT_TRUE(sink->WaitForEnd().ok());
}

TEST_F(CoordinatorTest, TellsTheLogOfEachQueryOnceItIsOver) {
  base::Mutex mutex;
  base::CondVar changed;
  std::vector<QueryRecord> ended;
  options_.on_query_end = [&](const QueryRecord& record) {
    base::MutexLock lock(mutex);
    ended.push_back(record);
    changed.NotifyAll();
  };
  Start({"w1"});
  workers_["w1"]->SetScripts({{.batches = 5}});
  ASSERT_TRUE(Submit()->WaitForEnd().ok());
  const std::string good = submitted_->query_id();
  {
    base::MutexLock lock(mutex);
    while (ended.empty()) changed.Wait(mutex);
    EXPECT_EQ(ended[0].id, good);
    EXPECT_EQ(ended[0].figures.rows, 5);
  }
  protocol::Query bad = Select();
  bad.sql = "SELEC";
  EXPECT_FALSE(Submit(bad)->WaitForEnd().ok());
  base::MutexLock lock(mutex);
  while (ended.size() < 2) changed.Wait(mutex);
  EXPECT_EQ(ended[1].error->code, ErrorCode::kInvalidQuery);
}

TEST_F(CoordinatorTest, TheClientsCacheModeReachesTheTicket) {
  Start({"w1"});
  for (const auto mode : {protocol::CacheMode::kUse, protocol::CacheMode::kPassive,
                          protocol::CacheMode::kOff, protocol::CacheMode::kRefresh}) {
    protocol::Query query = Select();
    query.cache_mode = mode;
    ASSERT_TRUE(Submit(query)->WaitForEnd().ok());
    EXPECT_EQ(workers_["w1"]->tickets().back().cache_mode, mode);
  }
}

TEST_F(CoordinatorTest, DrainRefusesNewQueriesAndWaitsForTheRest) {
  Start({"w1"});
  workers_["w1"]->SetScripts({{.batches = 1, .hang = true}});
  const auto running = Submit();
  running->WaitForWrite();
  EXPECT_FALSE(coordinator_->Drain(1));
  EXPECT_EQ(base::ErrorOf(Submit()->WaitForEnd()).code, ErrorCode::kOverloaded);
  coordinator_->Stop();
  EXPECT_FALSE(running->WaitForEnd().ok());
  EXPECT_TRUE(coordinator_->Drain(1));
}

}  // namespace
}  // namespace eider::coordinator
