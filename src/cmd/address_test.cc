#include "cmd/address.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

namespace eider::cmd {
namespace {

using ::testing::HasSubstr;

class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(fd_, 1), 0);
    socklen_t size = sizeof(address);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { Close(); }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  int port() const { return port_; }

 private:
  int fd_;
  int port_ = 0;
};

TEST(Address, NamesAPortInUse) {
  Listener listener;
  const auto status = CheckPortFree("127.0.0.1", listener.port(), "--port");
  EXPECT_THAT(status.message(), HasSubstr(std::to_string(listener.port()) +
                                          ": the port is in use: give another with --port"));
  EXPECT_TRUE(CheckReachable("127.0.0.1", listener.port(), 1000).ok());
  listener.Close();
  EXPECT_TRUE(CheckPortFree("127.0.0.1", listener.port(), "--port").ok());
  EXPECT_FALSE(CheckReachable("127.0.0.1", listener.port(), 1000).ok());
  EXPECT_TRUE(CheckPortFree("127.0.0.1", 0, "--port").ok());
  EXPECT_FALSE(CheckPortFree("192.0.2.1", listener.port(), "--port").ok());
}

TEST(Address, AwsHasAHostInEachRegion) {
  EXPECT_EQ(AwsS3Host(""), "s3.us-east-1.amazonaws.com");
  EXPECT_EQ(AwsS3Host("eu-north-1"), "s3.eu-north-1.amazonaws.com");
  EXPECT_EQ(AwsS3Host("cn-north-1"), "s3.cn-north-1.amazonaws.com.cn");
}

TEST(Address, HowAWorkerIsReached) {
  EXPECT_EQ(WorkerLocation("", "127.0.0.1", 5005), "grpc://127.0.0.1:5005");
  EXPECT_EQ(WorkerLocation("node7", "0.0.0.0", 5005), "grpc://node7:5005");
  EXPECT_EQ(WorkerLocation("node7:80", "0.0.0.0", 5005), "grpc://node7:80");
  EXPECT_EQ(WorkerLocation("", "::1", 5005), "grpc://[::1]:5005");
  EXPECT_THAT(WorkerLocation("", "0.0.0.0", 5005), ::testing::Not(HasSubstr("0.0.0.0")));
  EXPECT_EQ(LocalUrl("0.0.0.0", 5000), "http://127.0.0.1:5000");
}

}  // namespace
}  // namespace eider::cmd
