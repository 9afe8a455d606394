#include "protocol/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/error.h"
#include "protocol/channel_pair.h"

namespace eider::protocol {
namespace {

using base::ErrorCode;
using base::ErrorOf;

struct Ends {
  std::unique_ptr<PairedChannel> worker_channel;
  std::unique_ptr<PairedChannel> coordinator_channel;
  arrow::Result<std::unique_ptr<Session>> worker;
  arrow::Result<std::unique_ptr<Session>> coordinator;
};

Ends Handshake(const ClusterKey& worker_key, const ClusterKey& coordinator_key) {
  auto [worker_end, coordinator_end] = PairedChannel::Make();
  Ends ends{std::move(worker_end), std::move(coordinator_end), nullptr, nullptr};
  auto worker = std::async(std::launch::async, [&] {
    auto session = Session::Accept(*ends.worker_channel, worker_key, "w1");
    if (!session.ok()) ends.worker_channel.reset();  // the other side reads the end
    return session;
  });
  ends.coordinator = Session::Connect(*ends.coordinator_channel, coordinator_key, "c1", 7);
  ends.worker = worker.get();
  return ends;
}

TEST(Handshake, EachSideLearnsTheOther) {
  const ClusterKey key = ClusterKey::Generate();
  Ends ends = Handshake(key, key);
  ASSERT_TRUE(ends.worker.ok()) << ends.worker.status();
  ASSERT_TRUE(ends.coordinator.ok()) << ends.coordinator.status();
  EXPECT_EQ((*ends.worker)->peer_id(), "c1");
  EXPECT_EQ((*ends.worker)->epoch(), 7);
  EXPECT_EQ((*ends.coordinator)->peer_id(), "w1");

  ASSERT_TRUE((*ends.worker)->Send(Superseded{9}).ok());
  ASSERT_TRUE((*ends.worker)->Send(Ping{}).ok());
  auto first = (*ends.coordinator)->Receive();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(std::get<Superseded>(**first).epoch, 9);
  auto second = (*ends.coordinator)->Receive();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(std::holds_alternative<Ping>(**second));
  ASSERT_TRUE((*ends.coordinator)->Send(Ping{}).ok());
  ASSERT_TRUE((*ends.worker)->Receive().ok());
}

TEST(Handshake, AnotherKeyIsDenied) {
  Ends ends = Handshake(ClusterKey::Generate(), ClusterKey::Generate());
  ASSERT_FALSE(ends.worker.ok());
  EXPECT_EQ(ErrorOf(ends.worker.status()).code, ErrorCode::kPermissionDenied);
  EXPECT_FALSE(ends.coordinator.ok());
}

TEST(Handshake, ACoordinatorThatCannotProveItselfIsDenied) {
  auto [worker_end, other_end] = PairedChannel::Make();
  const ClusterKey key = ClusterKey::Generate();
  const std::string nonce(64, 'a');
  // Answers that need no look at the worker's nonce: a replay of an earlier session is one of them.
  ASSERT_TRUE(other_end
                  ->Send(R"({"coordinator_id":"c1","epoch":7,"nonce":")" + nonce + R"(","mac":")" +
                         std::string(64, '0') + R"("})")
                  .ok());
  auto session = Session::Accept(*worker_end, key, "w1");
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(ErrorOf(session.status()).code, ErrorCode::kPermissionDenied);
}

TEST(Handshake, GarbageIsAnError) {
  for (const char* answer : {"", "{", "[]", R"({"nonce":"x"})", "\xff\xfe"}) {
    auto [worker_end, other_end] = PairedChannel::Make();
    ASSERT_TRUE(other_end->Send(answer).ok());
    EXPECT_FALSE(Session::Accept(*worker_end, ClusterKey::Generate(), "w1").ok()) << answer;
  }
}

// Sits between a session and its peer, to see and change what passes.
class Recording final : public Channel {
 public:
  explicit Recording(Channel& under) : under_(under) {}
  arrow::Status Send(const std::string& message) override {
    sent.push_back(message);
    return under_.Send(message);
  }
  arrow::Result<std::optional<std::string>> Receive() override { return under_.Receive(); }
  void Cancel() override { under_.Cancel(); }
  std::vector<std::string> sent;

 private:
  Channel& under_;
};

class SealedMessages : public testing::Test {
 protected:
  SealedMessages() : ends_(PairedChannel::Make()), recording_(*ends_.second) {
    auto worker =
        std::async(std::launch::async, [&] { return Session::Accept(*ends_.first, key_, "w1"); });
    coordinator_ = Session::Connect(recording_, key_, "c1", 1).ValueOrDie();
    worker_ = worker.get().ValueOrDie();
    recording_.sent.clear();
  }

  ErrorCode ReceivedError() {
    auto message = worker_->Receive();
    EXPECT_FALSE(message.ok());
    return ErrorOf(message.status()).code;
  }

  const ClusterKey key_ = ClusterKey::Generate();
  std::pair<std::unique_ptr<PairedChannel>, std::unique_ptr<PairedChannel>> ends_;
  Recording recording_;
  std::unique_ptr<Session> coordinator_;
  std::unique_ptr<Session> worker_;
};

TEST_F(SealedMessages, AReplayIsDenied) {
  ASSERT_TRUE(coordinator_->Send(Ping{}).ok());
  ASSERT_TRUE(worker_->Receive().ok());
  ASSERT_TRUE(ends_.second->Send(recording_.sent.at(0)).ok());
  EXPECT_EQ(ReceivedError(), ErrorCode::kPermissionDenied);
}

TEST_F(SealedMessages, AForgedMessageIsDenied) {
  const ClusterKey other = ClusterKey::Generate();
  ASSERT_TRUE(ends_.second->Send(Seal(other, "to worker:0", EncodeMessage(Ping{}))).ok());
  EXPECT_EQ(ReceivedError(), ErrorCode::kPermissionDenied);
}

TEST_F(SealedMessages, TheClusterKeyAloneDoesNotSealForASession) {
  ASSERT_TRUE(ends_.second->Send(Seal(key_, "to worker:0", EncodeMessage(Ping{}))).ok());
  EXPECT_EQ(ReceivedError(), ErrorCode::kPermissionDenied);
}

TEST_F(SealedMessages, AMessageIsNotGoodInTheOtherDirection) {
  ASSERT_TRUE(worker_->Send(Ping{}).ok());
  auto reflected = ends_.second->Receive();
  ASSERT_TRUE(reflected.ok());
  ASSERT_TRUE(ends_.second->Send(**reflected).ok());
  EXPECT_EQ(ReceivedError(), ErrorCode::kPermissionDenied);
}

TEST_F(SealedMessages, TheOrderlyEndIsNoMessage) {
  ends_.second.reset();
  auto message = worker_->Receive();
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_FALSE(message->has_value());
}

}  // namespace
}  // namespace eider::protocol
