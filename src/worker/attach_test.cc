#include "worker/attach.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "base/error.h"
#include "protocol/channel_pair.h"
#include "protocol/handshake.h"

namespace eider::worker {
namespace {

using base::ErrorCode;
using base::ErrorOf;
using protocol::PairedChannel;
using protocol::Session;

class AttachTest : public testing::Test {
 protected:
  // A coordinator's side, attached to `attachments_` by a stream of its own.
  struct Coordinator {
    std::unique_ptr<PairedChannel> channel;
    std::future<arrow::Status> served;
    std::unique_ptr<Session> session;

    protocol::Message Read() {
      auto message = session->Receive();
      EXPECT_TRUE(message.ok()) << message.status();
      EXPECT_TRUE(message.ok() && message->has_value());
      return message.ok() && message->has_value() ? **message : protocol::Message(protocol::Ping{});
    }
    // The next message that is no heartbeat.
    protocol::Message ReadEvent() {
      protocol::Message message = Read();
      while (std::holds_alternative<protocol::Heartbeat>(message)) message = Read();
      return message;
    }
    // Ends the stream; how the worker's side ended.
    arrow::Status End() {
      session.reset();
      channel.reset();
      return served.get();
    }
  };

  Coordinator Connect(const std::string& id, int64_t epoch) {
    Coordinator coordinator;
    auto ends = PairedChannel::Make();
    coordinator.channel = std::move(ends.second);
    coordinator.served =
        std::async(std::launch::async, [this, channel = std::shared_ptr(std::move(ends.first))] {
          return attachments_.Serve(*channel);
        });
    auto session = Session::Connect(*coordinator.channel, key_, id, epoch);
    EXPECT_TRUE(session.ok()) << session.status();
    coordinator.session = *std::move(session);
    return coordinator;
  }

  // Nothing is given up in the time that a test takes.
  static Attachments::Options Patient() {
    return {.worker_id = "w1",
            .silence_ms = 600'000,
            .handshake_ms = 600'000,
            .heartbeat_ms = 600'000,
            .max_queued = 100,
            .max_streams = 2};
  }

  explicit AttachTest(Attachments::Options options = Patient()) : options_(std::move(options)) {}

  const Attachments::Options options_;
  const protocol::ClusterKey key_ = protocol::ClusterKey::Generate();
  Attachments attachments_{options_, key_,
                           [] {
                             protocol::Hello hello;
                             hello.worker_id = "w1";
                             return hello;
                           },
                           [] {
                             protocol::Heartbeat beat;
                             beat.running = 3;
                             return beat;
                           }};
};

class BeatingAttachTest : public AttachTest {
 protected:
  BeatingAttachTest() : AttachTest(Beating()) {}

 private:
  static Attachments::Options Beating() {
    Attachments::Options options = Patient();
    options.heartbeat_ms = 5;
    return options;
  }
};

TEST_F(BeatingAttachTest, HelloThenEventsAndHeartbeats) {
  Coordinator coordinator = Connect("c1", 1);
  EXPECT_EQ(std::get<protocol::Hello>(coordinator.Read()).worker_id, "w1");
  attachments_.Emit(protocol::Started{{.task_id = "t1", .attempt = 2}});
  EXPECT_EQ(std::get<protocol::Started>(coordinator.ReadEvent()).attempt.task_id, "t1");
  for (int beats = 0; beats < 3;) {
    const protocol::Message message = coordinator.Read();
    if (const auto* beat = std::get_if<protocol::Heartbeat>(&message)) {
      EXPECT_EQ(beat->running, 3);
      ++beats;
    }
  }
  EXPECT_TRUE(coordinator.End().ok());
  EXPECT_FALSE(attachments_.attached());
}

TEST_F(AttachTest, EventsWithNobodyAttachedAreDropped) {
  attachments_.Emit(protocol::Started{{.task_id = "t0", .attempt = 1}});
  Coordinator coordinator = Connect("c1", 1);
  coordinator.Read();
  attachments_.Emit(protocol::Started{{.task_id = "t1", .attempt = 1}});
  EXPECT_EQ(std::get<protocol::Started>(coordinator.ReadEvent()).attempt.task_id, "t1");
  EXPECT_TRUE(coordinator.End().ok());
}

TEST_F(AttachTest, ANewerEpochTakesOver) {
  Coordinator first = Connect("c1", 1);
  EXPECT_TRUE(std::holds_alternative<protocol::Hello>(first.Read()));
  Coordinator second = Connect("c2", 2);
  EXPECT_TRUE(std::holds_alternative<protocol::Hello>(second.Read()));
  EXPECT_EQ(std::get<protocol::Superseded>(first.ReadEvent()).epoch, 2);
  (void)first.End();
  attachments_.Emit(protocol::Started{{.task_id = "t1", .attempt = 1}});
  EXPECT_TRUE(std::holds_alternative<protocol::Started>(second.ReadEvent()));
  EXPECT_TRUE(second.End().ok());
}

TEST_F(AttachTest, AnOlderEpochIsToldSo) {
  Coordinator first = Connect("c2", 2);
  EXPECT_TRUE(std::holds_alternative<protocol::Hello>(first.Read()));
  Coordinator older = Connect("c1", 1);
  EXPECT_EQ(std::get<protocol::Superseded>(older.Read()), (protocol::Superseded{2, true}));
  (void)older.End();
  Coordinator equal = Connect("c3", 2);
  EXPECT_EQ(std::get<protocol::Superseded>(equal.Read()).epoch, 2);
  (void)equal.End();
  EXPECT_TRUE(attachments_.attached());
  EXPECT_TRUE(first.End().ok());
}

TEST_F(AttachTest, AnOlderEpochIsToldWhetherTheNewerOneIsStillThere) {
  Coordinator first = Connect("c2", 2);
  first.Read();
  EXPECT_TRUE(first.End().ok());
  Coordinator older = Connect("c1", 1);
  EXPECT_EQ(std::get<protocol::Superseded>(older.Read()), (protocol::Superseded{2, false}));
  (void)older.End();
  Coordinator past = Connect("c1", 3);
  EXPECT_TRUE(std::holds_alternative<protocol::Hello>(past.Read()));
  EXPECT_TRUE(past.End().ok());
}

TEST_F(BeatingAttachTest, ASupersededStreamThatIsNotEndedIsGivenUp) {
  Coordinator first = Connect("c2", 2);
  first.Read();
  Coordinator older = Connect("c1", 1);
  EXPECT_FALSE(older.served.get().ok());  // by itself
  EXPECT_TRUE(first.End().ok());
}

TEST_F(AttachTest, TheSameCoordinatorComesBack) {
  Coordinator first = Connect("c1", 1);
  first.Read();
  Coordinator again = Connect("c1", 1);
  EXPECT_TRUE(std::holds_alternative<protocol::Hello>(again.Read()));
  (void)first.End();
  EXPECT_TRUE(attachments_.attached());
  EXPECT_TRUE(again.End().ok());
}

TEST_F(AttachTest, AnotherKeyIsDenied) {
  auto [worker_end, other_end] = PairedChannel::Make();
  auto served = std::async(
      std::launch::async, [&, channel = worker_end.get()] { return attachments_.Serve(*channel); });
  // The worker ends the channel; this side never learns its proof.
  EXPECT_FALSE(Session::Connect(*other_end, protocol::ClusterKey::Generate(), "c1", 1).ok());
  EXPECT_EQ(ErrorOf(served.get()).code, ErrorCode::kPermissionDenied);
  EXPECT_FALSE(attachments_.attached());
}

TEST_F(AttachTest, AHandshakeThatTakesTooLongIsGivenUp) {
  Attachments::Options options = Patient();
  options.handshake_ms = 50;
  Attachments attachments(
      options, key_, [] { return protocol::Hello{}; }, [] { return protocol::Heartbeat{}; });
  auto [worker_end, other_end] = PairedChannel::Make();
  EXPECT_FALSE(attachments.Serve(*worker_end).ok());
}

TEST_F(AttachTest, ACoordinatorThatDoesNotKeepUpIsGivenUp) {
  Attachments::Options options = Patient();
  options.max_queued = 0;
  Attachments attachments(
      options, key_, [] { return protocol::Hello{}; }, [] { return protocol::Heartbeat{}; });
  auto [worker_end, other_end] = PairedChannel::Make();
  auto served = std::async(std::launch::async,
                           [&, channel = worker_end.get()] { return attachments.Serve(*channel); });
  auto session = Session::Connect(*other_end, key_, "c1", 1);
  ASSERT_TRUE(session.ok());
  ASSERT_TRUE((*session)->Receive().ok());  // the hello: it is attached
  attachments.Emit(protocol::Started{});
  EXPECT_FALSE(served.get().ok());
}

TEST_F(AttachTest, StopEndsAllStreams) {
  Coordinator coordinator = Connect("c1", 1);
  coordinator.Read();
  attachments_.Stop();
  EXPECT_FALSE(coordinator.served.get().ok());
  auto [worker_end, other_end] = PairedChannel::Make();
  EXPECT_FALSE(attachments_.Serve(*worker_end).ok());
}

}  // namespace
}  // namespace eider::worker
