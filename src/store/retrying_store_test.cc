#include "store/retrying_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <thread>

#include "base/error.h"
#include "store/fake_store.h"
#include "store/make_store.h"
#include "store/scripted_server.h"

namespace eider::store {
namespace {

using base::ErrorCode;
using base::ErrorOf;
using std::chrono::milliseconds;
using testing::HasSubstr;
using Clock = std::chrono::steady_clock;
using Request = ScriptedServer::Request;

std::shared_ptr<Budget> Tokens(double count) {
  return std::make_shared<Budget>(BudgetRates{.burst = count});
}

// The whole stack against a scripted server.
std::shared_ptr<ObjectStore> Stack(double budget = 1000) {
  return MakeStore({.transfer = {.first_byte_timeout_ms = 20'000, .stall_ms = 20'000},
                    .retry = {.max_tries = 5, .base_ms = 2, .cap_ms = 20},
                    .hedging = false,
                    .retry_budget = Tokens(budget),
                    .jitter_seed = 1});
}

GetRequest GetOf(const std::string& endpoint, Range range) {
  auto access = std::make_shared<Access>();
  access->endpoint = endpoint;
  access->region = "us-east-1";
  access->path_style = true;
  access->use_ssl = false;
  return {.access = access, .object = {"b", "k"}, .url = "s3://b/k", .range = range};
}

TEST(RetryingStore, WhatPassesIsTriedAgain) {
  const std::vector<std::string> faults = {
      Answer("503 Slow Down", {}, "<Error><Code>SlowDown</Code></Error>"),
      Answer("500 Internal Server Error", {}, ""),
      "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/20\r\nContent-Length: 4\r\n\r\n01",
      ""};
  const ScriptedServer server([&](const Request& request, Peer& peer) {
    const auto number = static_cast<size_t>(request.number);
    if (number < faults.size()) {
      peer.Send(faults[number]);
      peer.Close();
    } else {
      peer.Send(ServeObject(request, "0123456789", "\"v1\""));
    }
  });
  const auto store = Stack();
  const auto costs = std::make_shared<Costs>();
  const auto got = store->Get(GetOf(server.endpoint(), Range::Prefix(4)), {.costs = costs});
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->bytes->ToString(), "0123");
  EXPECT_EQ(costs->requests, 5);
  EXPECT_EQ(costs->retries, 4);
}

TEST(RetryingStore, WhatDoesNotPassIsNot) {
  for (const char* status : {"403 Forbidden", "404 Not Found", "412 Precondition Failed"}) {
    const ScriptedServer server(
        [status](const Request&, Peer& peer) { peer.Send(Answer(status, {}, "")); });
    const auto store = Stack();
    GetRequest request = GetOf(server.endpoint(), Range::Prefix(4));
    request.if_match = "\"v1\"";
    const auto got = store->Get(request, {});
    EXPECT_TRUE(!got.ok() || got->outcome == GetResult::Outcome::kChanged);
    EXPECT_EQ(server.requests().size(), 1U) << status;
  }
}

TEST(RetryingStore, AStormEndsAfterSoManyTries) {
  const ScriptedServer server(
      [](const Request&, Peer& peer) { peer.Send(Answer("503 Slow Down", {}, "")); });
  const auto store = Stack();
  const auto got = store->Get(GetOf(server.endpoint(), Range::Prefix(4)), {});
  EXPECT_EQ(ErrorOf(got.status()).code, ErrorCode::kStorageUnavailable);
  EXPECT_THAT(got.status().message(), HasSubstr("tried 5 times"));
  EXPECT_EQ(server.requests().size(), 5U);
  const auto stat = store->Stat(GetOf(server.endpoint(), {}), {});
  EXPECT_EQ(ErrorOf(stat.status()).code, ErrorCode::kStorageUnavailable);
  EXPECT_EQ(server.requests().size(), 10U);
}

TEST(RetryingStore, TheBudgetIsOfAllRequests) {
  const ScriptedServer server(
      [](const Request&, Peer& peer) { peer.Send(Answer("503 Slow Down", {}, "")); });
  const auto store = Stack(/*budget=*/3);
  for (int i = 0; i < 4; ++i) {
    const auto got = store->Get(GetOf(server.endpoint(), Range::Prefix(4)), {});
    EXPECT_THAT(got.status().message(), HasSubstr("budget"));
  }
  EXPECT_EQ(server.requests().size(), 4U + 3U);
}

TEST(RetryingStore, RetryAfterIsHonoured) {
  const ScriptedServer server([](const Request& request, Peer& peer) {
    peer.Send(request.number == 0 ? Answer("503 Slow Down", {"Retry-After: 1"}, "")
                                  : ServeObject(request, "0123456789", "\"v1\""));
  });
  const auto store = Stack();
  const auto begun = Clock::now();
  // Its deadline comes before the server wants to see it again.
  const auto hurried = store->Get(GetOf(server.endpoint(), Range::Prefix(4)),
                                  {.deadline = begun + milliseconds(800)});
  EXPECT_EQ(ErrorOf(hurried.status()).code, ErrorCode::kStorageUnavailable);
  EXPECT_EQ(ErrorOf(hurried.status()).retry_after_ms, std::nullopt);
  EXPECT_THAT(hurried.status().message(), HasSubstr("deadline"));
  EXPECT_LT(Clock::now() - begun, milliseconds(800)) << "waiting could not help";
}

TEST(RetryingStore, RetryAfterIsWaitedFor) {
  const ScriptedServer server([](const Request& request, Peer& peer) {
    peer.Send(request.number == 0 ? Answer("503 Slow Down", {"Retry-After: 1"}, "")
                                  : ServeObject(request, "0123456789", "\"v1\""));
  });
  const auto store = Stack();
  const auto begun = Clock::now();
  const auto got = store->Get(GetOf(server.endpoint(), Range::Prefix(4)), {});
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_GE(Clock::now() - begun, milliseconds(1000));
}

TEST(RetryingStore, AStopEndsTheWaitBetweenTries) {
  const auto inner = std::make_shared<FakeStore>();
  RetryingStore store(inner, std::make_shared<TimerQueue>(), Tokens(10),
                      {.retry = {.base_ms = 1, .cap_ms = 1}});
  std::stop_source stop;
  std::promise<arrow::Result<GetResult>> ended;
  store.StartGet({}, {.stop = stop.get_token()},
                 [&](arrow::Result<GetResult> r) { ended.set_value(std::move(r)); });
  inner->Fail(0, {.code = ErrorCode::kStorageUnavailable,
                  .message = "",
                  .retryable = true,
                  .retry_after_ms = 20'000});
  stop.request_stop();
  const auto result = ended.get_future().get();
  EXPECT_EQ(ErrorOf(result.status()).code, ErrorCode::kCancelled) << result.status();
  EXPECT_EQ(inner->gets(), 1U);
}

TEST(RetryingStore, StatIsTriedAgain) {
  const auto inner = std::make_shared<FakeStore>();
  RetryingStore store(inner, std::make_shared<TimerQueue>(), Tokens(10),
                      {.retry = {.base_ms = 1, .cap_ms = 1}});
  inner->FailStats(3);
  const auto version = store.Stat({}, {});
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(inner->stats(), 4);
  std::stop_source stop;
  stop.request_stop();
  inner->FailStats(1);
  EXPECT_EQ(ErrorOf(store.Stat({}, {.stop = stop.get_token()}).status()).code,
            ErrorCode::kCancelled);
}

TEST(RetryingStore, FirstByteIsToldOnce) {
  const auto inner = std::make_shared<FakeStore>();
  RetryingStore store(inner, std::make_shared<TimerQueue>(), Tokens(10),
                      {.retry = {.base_ms = 1, .cap_ms = 1}});
  int told = 0;
  std::promise<void> ended;
  store.StartGet({.on_first_byte = [&told] { ++told; }}, {},
                 [&](const arrow::Result<GetResult>&) { ended.set_value(); });
  inner->FirstByte(0);
  inner->Unavailable(0);
  ASSERT_TRUE(inner->WaitForGets(2));
  inner->FirstByte(1);
  inner->Finish(1, BytesOf("x"));
  ended.get_future().wait();
  EXPECT_EQ(told, 1);
}

// Many at once, some stopped, over faults of every kind: each ends, and none with wrong bytes.
TEST(RetryingStore, ManyRequestsOverManyFaults) {
  const std::string object(100'000, 'x');
  const ScriptedServer server([&](const Request& request, Peer& peer) {
    const std::string good = ServeObject(request, object, "\"v1\"");
    switch (request.number % 7) {
      case 0:
        return peer.Send(Answer("503 Slow Down", {}, ""));
      case 1:
        peer.Send(good.substr(0, good.size() / 2));
        return peer.Reset();
      case 2:
        return peer.Close();
      default:
        return peer.Send(good);
    }
  });
  const auto store = MakeStore({.transfer = {.max_host_connections = 8},
                                .retry = {.max_tries = 20, .base_ms = 1, .cap_ms = 5},
                                .hedge = {.floor = milliseconds(1), .min_samples = 2},
                                .retry_budget = Tokens(1e6),
                                .jitter_seed = 2});
  constexpr int kRequests = 200;
  std::latch done(kRequests);
  std::atomic<int> good = 0;
  std::atomic<int> cancelled = 0;
  std::stop_source stop;
  for (int i = 0; i < kRequests; ++i) {
    const Scope scope{.stop = i % 4 == 0 ? stop.get_token() : std::stop_token()};
    store->StartGet(GetOf(server.endpoint(), Range::Suffix(90'000)), scope,
                    [&](const arrow::Result<GetResult>& result) {
                      if (result.ok() && result->bytes->size() == 90'000) ++good;
                      if (!result.ok() && ErrorOf(result.status()).code == ErrorCode::kCancelled) {
                        ++cancelled;
                      }
                      done.count_down();
                    });
    if (i == kRequests / 2) stop.request_stop();
  }
  done.wait();
  EXPECT_EQ(good + cancelled, kRequests);
  EXPECT_GE(cancelled, kRequests / 8 - 1) << "the second half's were stopped before they began";
}

}  // namespace
}  // namespace eider::store
