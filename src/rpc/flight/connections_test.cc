#include "rpc/flight/connections.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace eider::rpc::flight {
namespace {

// A TCP connection over loopback with both ends in this process.
class ConnectionsTest : public testing::Test {
 protected:
  void SetUp() override {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_EQ(listen(listener_, 1), 0);
    port_ = PortOf(listener_, &address);
    client_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(connect(client_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    server_ = accept(listener_, nullptr, nullptr);
    ASSERT_GE(server_, 0);
    peer_ = "ipv4:127.0.0.1:" + std::to_string(PortOf(client_, &address));
  }
  void TearDown() override {
    for (const int fd : {listener_, client_, server_}) close(fd);
  }

  static int PortOf(int fd, sockaddr_in* address) {
    socklen_t size = sizeof(*address);
    EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(address), &size), 0);
    return ntohs(address->sin_port);
  }

  // Whether the client has seen the connection's end.
  bool Ended() const {
    pollfd wait{.fd = client_, .events = POLLIN, .revents = 0};
    char byte = 0;
    return poll(&wait, 1, 0) == 1 && recv(client_, &byte, 1, 0) == 0;
  }

  int listener_ = -1;
  int client_ = -1;
  int server_ = -1;
  int port_ = 0;
  std::string peer_;
};

TEST_F(ConnectionsTest, OnlyTheNamedConnectionIsShutDown) {
  EXPECT_FALSE(ShutDownConnection(peer_, port_ + 1));
  EXPECT_FALSE(ShutDownConnection("ipv4:127.0.0.2:1", port_));
  EXPECT_FALSE(ShutDownConnection("unix:/x", port_));
  EXPECT_FALSE(Ended());
  EXPECT_TRUE(ShutDownConnection(peer_, port_));
  EXPECT_TRUE(Ended());
}

TEST_F(ConnectionsTest, OneThatStillServesAStreamIsLeftAlone) {
  Connections connections;
  auto stuck = connections.Enter(peer_, port_);
  auto reads = connections.Enter(peer_, port_);
  stuck->GiveUp();
  stuck->GiveUp();
  EXPECT_FALSE(Ended());
  reads.reset();
  EXPECT_TRUE(Ended());
}

TEST_F(ConnectionsTest, OneWhoseStreamsAreAllGivenUpEnds) {
  Connections connections;
  const auto first = connections.Enter(peer_, port_);
  const auto second = connections.Enter(peer_, port_);
  first->GiveUp();
  EXPECT_FALSE(Ended());
  second->GiveUp();
  EXPECT_TRUE(Ended());
}

TEST_F(ConnectionsTest, AStreamThatEndsInTimeShutsNothingDown) {
  Connections connections;
  auto first = connections.Enter(peer_, port_);
  auto second = connections.Enter(peer_, port_);
  first->GiveUp();
  first.reset();
  EXPECT_FALSE(Ended());
  second.reset();
  EXPECT_FALSE(Ended());
}

}  // namespace
}  // namespace eider::rpc::flight
