#include "rpc/flight/worker_server.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/flight/api.h>
#include <arrow/record_batch.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/mutex.h"
#include "protocol/handshake.h"
#include "rpc/flight/worker_client.h"

namespace eider::rpc::flight {
namespace {

using base::ErrorCode;
using base::ErrorInfo;
using base::ErrorOf;
using base::MakeError;
using testing::HasSubstr;

std::shared_ptr<arrow::Schema> OneColumn() {
  return arrow::schema({arrow::field("n", arrow::int64())});
}

// Gives `batches` batches, then ends, fails with `error`, or (block) waits for its client to go.
class FakeStream final : public protocol::BatchStream {
 public:
  FakeStream(int batches, arrow::Status error, bool block, std::function<bool()> client_gone)
      : left_(batches),
        error_(std::move(error)),
        block_(block),
        client_gone_(std::move(client_gone)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return OneColumn(); }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    if (left_ > 0) {
      arrow::Int64Builder builder;
      ARROW_RETURN_NOT_OK(builder.Append(left_--));
      ARROW_ASSIGN_OR_RAISE(auto column, builder.Finish());
      return arrow::RecordBatch::Make(schema(), 1, {column});
    }
    if (block_) {
      while (!client_gone_()) std::this_thread::yield();
      return MakeError(ErrorCode::kCancelled, "the client went away");
    }
    if (!error_.ok()) return error_;
    return nullptr;
  }
  void Cancel() override {}

 private:
  int left_;
  const arrow::Status error_;
  const bool block_;
  const std::function<bool()> client_gone_;
};

// Tickets are words that say what happens.
class FakeWorker final : public worker::Service {
 public:
  arrow::Result<std::unique_ptr<protocol::BatchStream>> Run(std::string_view ticket,
                                                            worker::Client client) override {
    if (ticket == "refused") return error;
    if (ticket == "endless") return std::make_unique<EndlessStream>(*this, std::move(client));
    if (ticket == "block before the schema") {
      while (!client.gone()) std::this_thread::yield();
      return MakeError(ErrorCode::kCancelled, "the client went away");
    }
    if (ticket == "meet") Meet();
    const int batches = ticket == "nothing" ? 0 : 3;
    return std::make_unique<FakeStream>(batches, ticket == "fails" ? error : arrow::Status::OK(),
                                        ticket == "blocks", std::move(client.gone));
  }

  arrow::Status Attach(protocol::Channel& channel) override {
    auto session = protocol::Session::Accept(channel, key, "w1");
    if (!session.ok()) return session.status();
    protocol::Hello hello;
    hello.worker_id = "w1";
    ARROW_RETURN_NOT_OK((*session)->Send(hello));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto message, (*session)->Receive());
      if (!message) return arrow::Status::OK();
      ARROW_RETURN_NOT_OK((*session)->Send(*message));
    }
  }

  arrow::Status Execute(std::string_view command) override {
    if (command == "hang") {
      release.get_future().wait();
      return arrow::Status::OK();
    }
    return command == "good" ? arrow::Status::OK() : error;
  }

  // Waits until so many endless streams are in a write, and gives their clients.
  std::vector<worker::Client*> WaitForEndless(size_t count) {
    base::MutexLock lock(mutex);
    while (endless.size() < count) changed.Wait(mutex);
    return endless;
  }
  void WaitForEnds(int count) {
    base::MutexLock lock(mutex);
    while (ends < count) changed.Wait(mutex);
  }

  // Blocks until as many have come as are expected: they must all run at once.
  void Meet() {
    base::MutexLock lock(mutex);
    ++met;
    changed.NotifyAll();
    while (met < expected) changed.Wait(mutex);
  }

  const protocol::ClusterKey key = protocol::ClusterKey::Generate();
  arrow::Status error = MakeError(ErrorCode::kStorageUnavailable, "S3 answered 503");
  std::promise<void> release;
  base::Mutex mutex;
  base::CondVar changed;
  int met = 0;
  int expected = 0;
  std::vector<worker::Client*> endless;
  int ends = 0;

 private:
  // Gives 1 MiB for ever.
  class EndlessStream final : public protocol::BatchStream {
   public:
    EndlessStream(FakeWorker& worker, worker::Client client)
        : worker_(worker), client_(std::move(client)) {}
    ~EndlessStream() override {
      client_ = {};
      base::MutexLock lock(worker_.mutex);
      ++worker_.ends;
      worker_.changed.NotifyAll();
    }
    std::shared_ptr<arrow::Schema> schema() const override { return OneColumn(); }
    arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
      if (given_++ == 0) {
        base::MutexLock lock(worker_.mutex);
        worker_.endless.push_back(&client_);
        worker_.changed.NotifyAll();
      }
      arrow::Int64Builder builder;
      ARROW_RETURN_NOT_OK(builder.AppendEmptyValues(1 << 17));
      ARROW_ASSIGN_OR_RAISE(auto column, builder.Finish());
      return arrow::RecordBatch::Make(OneColumn(), 1 << 17, {column});
    }
    void Cancel() override {}

   private:
    FakeWorker& worker_;
    worker::Client client_;
    int given_ = 0;
  };
};

class WorkerServerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto server = WorkerServer::Start(worker_, "127.0.0.1", 0);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    location_ = "grpc://127.0.0.1:" + std::to_string(server_->port());
    client_ = *MakeWorkerClientFactory()(location_);
  }

  // Reads a stream to its end; its rows, or its error.
  static arrow::Result<int> ReadAll(coordinator::RemoteStream& stream) {
    ARROW_RETURN_NOT_OK(stream.Start());
    EXPECT_TRUE(stream.schema()->Equals(*OneColumn()));
    for (int rows = 0;;) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, stream.Next());
      if (batch == nullptr) return rows;
      rows += static_cast<int>(batch->num_rows());
    }
  }
  arrow::Result<int> Read(const std::string& ticket) {
    ARROW_ASSIGN_OR_RAISE(auto stream, client_->Run(ticket));
    return ReadAll(*stream);
  }

  // The same as a client of DoGet sees it: rows read, and the status it ended with.
  arrow::Status DoGet(const std::string& ticket, int* rows) {
    arrow::flight::Ticket flight_ticket;
    flight_ticket.ticket = ticket;
    ARROW_ASSIGN_OR_RAISE(auto location, arrow::flight::Location::Parse(location_));
    ARROW_ASSIGN_OR_RAISE(auto client, arrow::flight::FlightClient::Connect(location));
    ARROW_ASSIGN_OR_RAISE(auto reader, client->DoGet(flight_ticket));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto chunk, reader->Next());
      if (chunk.data == nullptr) return arrow::Status::OK();
      *rows += static_cast<int>(chunk.data->num_rows());
    }
  }

  static ErrorInfo InfoIn(const arrow::Status& status) {
    const auto detail = arrow::flight::FlightStatusDetail::UnwrapStatus(status);
    EXPECT_NE(detail, nullptr) << status;
    const auto info = detail ? base::DecodeError(detail->extra_info()) : std::nullopt;
    EXPECT_TRUE(info.has_value()) << status;
    return info.value_or(ErrorInfo{});
  }

  FakeWorker worker_;
  std::unique_ptr<WorkerServer> server_;
  std::string location_;
  std::shared_ptr<coordinator::WorkerClient> client_;
};

TEST_F(WorkerServerTest, AResultComesWhole) {
  EXPECT_EQ(Read("three").ValueOrDie(), 3);
  EXPECT_EQ(Read("nothing").ValueOrDie(), 0);
  int rows = 0;
  EXPECT_TRUE(DoGet("three", &rows).ok());
  EXPECT_EQ(rows, 3);
}

TEST_F(WorkerServerTest, EveryErrorKeepsItsCodeAndWhetherToRetry) {
  for (const ErrorCode code :
       {ErrorCode::kInvalidQuery, ErrorCode::kNotFound, ErrorCode::kPermissionDenied,
        ErrorCode::kOverloaded, ErrorCode::kDeadlineExceeded, ErrorCode::kCancelled,
        ErrorCode::kWorkerLost, ErrorCode::kPoisoned, ErrorCode::kStorageUnavailable,
        ErrorCode::kResourceExhausted, ErrorCode::kInternal}) {
    worker_.error = MakeError(code, "what happened");
    for (const char* ticket : {"refused", "fails"}) {
      const ErrorInfo relayed = ErrorOf(Read(ticket).status());
      EXPECT_EQ(relayed.code, code) << base::ErrorName(code) << " " << ticket;
      EXPECT_EQ(relayed.message, "what happened");
      EXPECT_EQ(relayed.retryable, base::IsRetryable(code));
      int rows = 0;
      const ErrorInfo direct = InfoIn(DoGet(ticket, &rows));
      EXPECT_EQ(direct.code, code);
      EXPECT_EQ(direct.retryable, base::IsRetryable(code));
      EXPECT_EQ(rows, std::string(ticket) == "fails" ? 3 : 0);
    }
    EXPECT_EQ(ErrorOf(client_->Send("bad", 10'000)).code, code);
  }
}

TEST_F(WorkerServerTest, RetryAfterArrives) {
  worker_.error = MakeError(ErrorInfo{
      .code = ErrorCode::kOverloaded, .message = "full", .retryable = true, .retry_after_ms = 250});
  EXPECT_EQ(ErrorOf(Read("refused").status()).retry_after_ms, 250);
}

TEST_F(WorkerServerTest, ALongMessageIsCutNotLost) {
  for (const std::string& piece : {std::string("x"), std::string("й"), std::string("\"\n\x01")}) {
    std::string message;
    while (message.size() < 100'000) message += piece;
    worker_.error = MakeError(ErrorCode::kInvalidQuery, message);
    const ErrorInfo info = ErrorOf(Read("refused").status());
    EXPECT_EQ(info.code, ErrorCode::kInvalidQuery);
    EXPECT_THAT(info.message, HasSubstr(piece));
    int rows = 0;
    EXPECT_EQ(InfoIn(DoGet("fails", &rows)).code, ErrorCode::kInvalidQuery);
  }
}

TEST_F(WorkerServerTest, CancelEndsABlockedNextAndReachesTheWorker) {
  auto stream = *client_->Run("blocks");
  ASSERT_TRUE(stream->Start().ok());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(stream->Next().ok());
  auto next = std::async(std::launch::async, [&] { return stream->Next().status(); });
  stream->Cancel();
  EXPECT_EQ(ErrorOf(next.get()).code, ErrorCode::kCancelled);
  stream.reset();
  server_->Stop();  // returns when the worker's side has seen it
}

TEST_F(WorkerServerTest, CancelEndsABlockedStart) {
  auto stream = *client_->Run("block before the schema");
  auto start = std::async(std::launch::async, [&] { return stream->Start(); });
  stream->Cancel();
  EXPECT_EQ(ErrorOf(start.get()).code, ErrorCode::kCancelled);
}

TEST_F(WorkerServerTest, ADisconnectedClientEndsAWriteThatBlocks) {
  auto first = *client_->Run("endless");
  auto second = *client_->Run("endless");
  ASSERT_TRUE(first->Start().ok() && second->Start().ok());
  const auto clients = worker_.WaitForEndless(2);
  // Nobody reads on, so both writes block; the connection is one.
  clients[0]->disconnect();
  ASSERT_TRUE(first->Next().ok());
  ASSERT_TRUE(second->Next().ok());
  clients[1]->disconnect();
  worker_.WaitForEnds(2);
}

TEST_F(WorkerServerTest, AnUnreadStreamIsGivenUpWhenDestroyed) {
  auto stream = *client_->Run("blocks");
  ASSERT_TRUE(stream->Start().ok());
  stream.reset();
  auto never_started = *client_->Run("blocks");
  never_started.reset();
}

TEST_F(WorkerServerTest, ManyRunAtOnce) {
  constexpr int kStreams = 80;
  worker_.expected = kStreams;
  std::vector<std::future<arrow::Result<int>>> reads;
  for (int i = 0; i < kStreams; ++i) {
    reads.push_back(std::async(std::launch::async, [&] { return Read("meet"); }));
  }
  for (auto& read : reads) EXPECT_EQ(read.get().ValueOrDie(), 3);
}

TEST_F(WorkerServerTest, AStoppedServerIsALostWorker) {
  auto stream = *client_->Run("blocks");
  ASSERT_TRUE(stream->Start().ok());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(stream->Next().ok());
  auto next = std::async(std::launch::async, [&] { return stream->Next().status(); });
  server_->Stop();
  EXPECT_FALSE(next.get().ok());
  const ErrorInfo lost = ErrorOf(Read("three").status());
  EXPECT_EQ(lost.code, ErrorCode::kWorkerLost);
  EXPECT_TRUE(lost.retryable);
  EXPECT_EQ(ErrorOf(client_->Send("good", 1'000)).code, ErrorCode::kWorkerLost);
}

TEST_F(WorkerServerTest, CommandsAreAnsweredAndBounded) {
  EXPECT_TRUE(client_->Send("good", 10'000).ok());
  EXPECT_EQ(ErrorOf(client_->Send("hang", 50)).code, ErrorCode::kWorkerLost);
  worker_.release.set_value();
}

TEST_F(WorkerServerTest, AnAttachStreamSpeaksBothWays) {
  auto channel = *client_->Attach();
  auto session = protocol::Session::Connect(*channel, worker_.key, "c1", 1);
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ((*session)->peer_id(), "w1");
  ASSERT_TRUE((*session)->Receive().ok());
  for (int64_t epoch = 0; epoch < 100; ++epoch) {
    ASSERT_TRUE((*session)->Send(protocol::Superseded{epoch}).ok());
    const auto echo = (*session)->Receive();
    ASSERT_TRUE(echo.ok()) << echo.status();
    EXPECT_EQ(std::get<protocol::Superseded>(**echo).epoch, epoch);
  }
}

TEST_F(WorkerServerTest, CancelEndsABlockedReceive) {
  auto channel = *client_->Attach();
  auto session = *protocol::Session::Connect(*channel, worker_.key, "c1", 1);
  ASSERT_TRUE(session->Receive().ok());
  auto received = std::async(std::launch::async, [&] { return session->Receive().status(); });
  channel->Cancel();
  EXPECT_FALSE(received.get().ok());
  channel.reset();
}

TEST_F(WorkerServerTest, AnAttachWithAnotherKeyIsDenied) {
  auto channel = *client_->Attach();
  const auto session =
      protocol::Session::Connect(*channel, protocol::ClusterKey::Generate(), "c1", 1);
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(ErrorOf(session.status()).code, ErrorCode::kPermissionDenied) << session.status();
}

TEST_F(WorkerServerTest, APortInUseIsNamed) {
  const auto second = WorkerServer::Start(worker_, "127.0.0.1", server_->port());
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(), HasSubstr(std::to_string(server_->port())));
}

}  // namespace
}  // namespace eider::rpc::flight
