#include "rpc/http/client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "base/error.h"

namespace eider::rpc {
namespace {

// Listens on a free port and answers each of a number of connections with fixed bytes, then closes.
class Canned {
 public:
  explicit Canned(std::string answer, int requests = 1, bool keep_open = false)
      : answer_(std::move(answer)), socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(socket_, 8), 0);
    EXPECT_EQ(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, requests, keep_open] { Serve(requests, keep_open); });
  }
  ~Canned() {
    thread_.join();
    close(socket_);
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }
  int accepted() const { return accepted_; }

 private:
  // With keep_open one connection carries all requests.
  void Serve(int requests, bool keep_open) {
    int client = -1;
    for (int i = 0; i < requests; ++i) {
      if (client < 0) {
        client = accept(socket_, nullptr, nullptr);
        ++accepted_;
      }
      std::string request;
      char byte = 0;
      while (request.find("\r\n\r\n") == std::string::npos && recv(client, &byte, 1, 0) == 1) {
        request.push_back(byte);
      }
      send(client, answer_.data(), answer_.size(), MSG_NOSIGNAL);
      if (keep_open) continue;
      close(client);
      client = -1;
    }
    if (client >= 0) close(client);
  }

  const std::string answer_;
  int socket_;
  int port_ = 0;
  int accepted_ = 0;  // read after the fetches, written before their answers
  std::thread thread_;
};

TEST(HttpClientTest, GivesStatusHeadersAndBody) {
  Canned server("HTTP/1.1 404 Not Found\r\nX-Thing:  a b \r\nContent-Length: 2\r\n\r\nno");
  const auto response = Fetch("GET", server.url(), {}, "", 10'000);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(response->Header("x-thing"), "a b");
  EXPECT_EQ(response->Header("x-other"), "");
  EXPECT_EQ(response->body, "no");
}

TEST(HttpClientTest, KeepsItsConnection) {
  Canned server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 3, /*keep_open=*/true);
  HttpClient client;
  for (int i = 0; i < 3; ++i) {
    const auto response = client.Fetch("GET", server.url(), {}, "", 10'000);
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->body, "ok");
  }
  EXPECT_EQ(server.accepted(), 1);
}

TEST(HttpClientTest, ABodyWithoutItsLastChunkOrByteIsAnError) {
  for (const char* answer : {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                             "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc"}) {
    Canned server(answer);
    std::string got;
    const auto response = Fetch("GET", server.url(), {}, "", 10'000, [&](std::string_view piece) {
      got += piece;
      return arrow::Status::OK();
    });
    ASSERT_FALSE(response.ok());
    EXPECT_EQ(got, "abc");
    EXPECT_TRUE(base::ErrorOf(response.status()).retryable);
  }
}

TEST(HttpClientTest, AnErrorsBodyIsGatheredAlsoWhenStreaming) {
  Canned server("HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nbad");
  const auto response = Fetch("GET", server.url(), {}, "", 10'000,
                              [](std::string_view) { return arrow::Status::Invalid("called"); });
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->body, "bad");
}

TEST(HttpClientTest, TheReceiversErrorEndsTheFetch) {
  Canned server("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
  const auto response = Fetch("GET", server.url(), {}, "", 10'000,
                              [](std::string_view) { return arrow::Status::IOError("disk full"); });
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.status().message(), "disk full");
}

TEST(HttpClientTest, WhereNobodyListensTheErrorNamesTheUrl) {
  const auto response = Fetch("GET", "http://127.0.0.1:1/x", {}, "", 10'000);
  ASSERT_FALSE(response.ok());
  EXPECT_NE(response.status().message().find("http://127.0.0.1:1/x"), std::string::npos);
  EXPECT_TRUE(response.status().IsIOError());
  EXPECT_EQ(response.status().detail(), nullptr);
  const auto bad = Fetch("GET", "file:///etc/passwd", {}, "", 10'000);
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(base::ErrorOf(bad.status()).code, base::ErrorCode::kInvalidQuery);
}

}  // namespace
}  // namespace eider::rpc
