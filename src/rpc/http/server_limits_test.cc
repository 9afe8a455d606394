// What the server does with requests that are too large, too slow, too many or not HTTP.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "rpc/http/client.h"
#include "rpc/http/fake_service.h"
#include "rpc/http/raw_client.h"
#include "rpc/http/server.h"

namespace eider::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class HttpLimitsTest : public ::testing::Test {
 protected:
  void Start(HttpServer::Options options = {}) {
    options.port = 0;
    auto server = HttpServer::Start(service_, std::move(options));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void TearDown() override {
    const auto alive = Fetch(
        "GET", "http://127.0.0.1:" + std::to_string(server_->port()) + "/healthz", {}, "", 10'000);
    ASSERT_TRUE(alive.ok()) << alive.status();
    EXPECT_EQ(alive->status, 200);
  }

  FakeService service_{
      [](const protocol::Query&, const std::shared_ptr<coordinator::ResultSink>& sink) {
        if (sink->Begin(FakeService::Claim()).ok()) sink->End();
      }};
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpLimitsTest, ABodyPastTheLimitIsRefusedBeforeItComes) {
  HttpServer::Options options;
  options.max_body_bytes = 1'000;
  Start(std::move(options));
  RawClient client(server_->port());
  client.Send("POST /read HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n{");
  EXPECT_TRUE(client.ReadUntil("}"));
  EXPECT_THAT(client.received(), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(client.received(), HasSubstr("INVALID_QUERY"));
  EXPECT_THAT(client.received(), HasSubstr("Connection: close"));

  RawClient chunked(server_->port());
  chunked.Send("POST /read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 3; ++i) chunked.Send("190\r\n" + std::string(400, 'x') + "\r\n");
  EXPECT_TRUE(chunked.ReadUntil("}"));
  EXPECT_THAT(chunked.received(), StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpLimitsTest, AClientThatSendsAllTheSameReadsTheRefusal) {
  Start();
  const auto response =
      Fetch("POST", "http://127.0.0.1:" + std::to_string(server_->port()) + "/read",
            {{"Expect", ""}}, std::string(100'000'000, 'x'), 10'000);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 413);
}

TEST_F(HttpLimitsTest, ExpectContinueIsAnswered) {
  HttpServer::Options options;
  options.max_body_bytes = 1'000;
  Start(std::move(options));
  RawClient client(server_->port());
  client.Send("POST /clear_cache HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_TRUE(client.ReadUntil("HTTP/1.1 100 Continue\r\n\r\n"));
  client.Send("{}");
  EXPECT_TRUE(client.ReadUntil(R"({"cleared":2})"));

  RawClient large(server_->port());
  large.Send("POST /read HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2000\r\n\r\n");
  EXPECT_TRUE(large.ReadUntil("}"));
  EXPECT_THAT(large.received(), StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpLimitsTest, AHeaderPastTheLimitIs431) {
  Start();
  RawClient client(server_->port());
  client.Send("GET /healthz HTTP/1.1\r\nX-Long: " + std::string(40 << 10, 'x') + "\r\n\r\n");
  EXPECT_TRUE(client.ReadUntil("}"));
  EXPECT_THAT(client.received(), StartsWith("HTTP/1.1 431 "));
}

TEST_F(HttpLimitsTest, SqlOfAMebibyteAndBadBodiesAre400) {
  Start();
  const std::string url = "http://127.0.0.1:" + std::to_string(server_->port()) + "/read";
  const std::vector<std::string> bodies = {R"({"query": ")" + std::string(1 << 20, 'x') + R"("})",
                                           "",
                                           "not JSON",
                                           "[]",
                                           "{}",
                                           R"({"query": 1})",
                                           R"({"query": "select 1", "more": 1})",
                                           std::string(100'000, '[')};
  for (const std::string& body : bodies) {
    const auto response = Fetch("POST", url, {}, body, 10'000);
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->status, 400) << body.substr(0, 50);
    EXPECT_THAT(response->body, HasSubstr("INVALID_QUERY"));
  }
}

TEST_F(HttpLimitsTest, WhatIsNoHttpIs400AndClosed) {
  Start();
  const std::vector<std::string> requests = {
      "hello\r\n\r\n",
      std::string("\x16\x03\x01\x00\xa5\x01", 6) + std::string(200, 'x') + "\r\n\r\n",
      "GET / HTTP/1.1\r\nno colon\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "POST /read HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
      "POST /read HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST /read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"};
  for (const std::string& request : requests) {
    RawClient client(server_->port());
    client.Send(request);
    EXPECT_TRUE(client.ReadToEnd()) << request;
    EXPECT_THAT(client.received(), StartsWith("HTTP/1.1 400 ")) << request;
  }
}

TEST_F(HttpLimitsTest, SlowAndIdleClientsAreClosed) {
  HttpServer::Options options;
  options.header_timeout_ms = 300;
  options.body_timeout_ms = 300;
  options.idle_timeout_ms = 300;
  Start(std::move(options));
  RawClient idle(server_->port());
  EXPECT_TRUE(idle.ReadToEnd());
  EXPECT_EQ(idle.received(), "");
  for (const char* part : {"GET /heal", "POST /read HTTP/1.1\r\nContent-Length: 5\r\n\r\n{"}) {
    RawClient slow(server_->port());
    slow.Send(part);
    EXPECT_TRUE(slow.ReadToEnd());
    EXPECT_THAT(slow.received(), StartsWith("HTTP/1.1 408 "));
  }
}

TEST_F(HttpLimitsTest, ConnectionsPastTheLimitAreTurnedAway) {
  HttpServer::Options options;
  options.max_connections = 1;
  Start(std::move(options));
  {
    RawClient first(server_->port());
    first.Send("GET /healthz HTTP/1.1\r\n\r\n");
    EXPECT_TRUE(first.ReadUntil("ok"));
    RawClient second(server_->port());
    EXPECT_TRUE(second.ReadUntil("max_connections"));
    EXPECT_THAT(second.received(), StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(second.received(), HasSubstr("Retry-After: 1\r\n"));
    first.HalfClose();
    EXPECT_TRUE(first.ReadToEnd());
    second.HalfClose();
    EXPECT_TRUE(second.ReadToEnd());
  }
}

}  // namespace
}  // namespace eider::rpc
