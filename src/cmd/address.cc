#include "cmd/address.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "config/quantity.h"

namespace eider::cmd {
namespace {

class Socket {
 public:
  explicit Socket(const addrinfo& info)
      : fd_(socket(info.ai_family, info.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                   info.ai_protocol)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

arrow::Status Resolve(const std::string& host, int port, AddressList* list) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) return arrow::Status::Invalid(host, ": ", gai_strerror(error));
  list->reset(found);
  return arrow::Status::OK();
}

std::string HostName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

bool IsEveryAddress(const std::string& bind) { return bind == "0.0.0.0" || bind == "::"; }

// Waits for a connect that is under way.
bool Connected(int fd, int64_t timeout_ms) {
  pollfd wait{fd, POLLOUT, 0};
  if (poll(&wait, 1, static_cast<int>(timeout_ms)) != 1) {
    errno = ETIMEDOUT;
    return false;
  }
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  errno = error;
  return error == 0;
}

}  // namespace

arrow::Status CheckPortFree(const std::string& bind, int port, const std::string& flag) {
  if (port == 0) return arrow::Status::OK();
  AddressList list(nullptr, freeaddrinfo);
  ARROW_RETURN_NOT_OK(Resolve(bind, port, &list));
  for (const addrinfo* info = list.get(); info != nullptr; info = info->ai_next) {
    const Socket socket(*info);
    if (socket.fd() < 0) continue;
    const int on = 1;
    setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (::bind(socket.fd(), info->ai_addr, info->ai_addrlen) == 0) continue;
    const std::string why = errno == EADDRINUSE ? "the port is in use" : std::strerror(errno);
    return arrow::Status::Invalid("cannot listen on ", config::FormatHostPort(bind, port), ": ",
                                  why, ": give another with ", flag);
  }
  return arrow::Status::OK();
}

std::string WorkerLocation(const std::string& advertise, const std::string& bind, int port) {
  const auto given = config::ParseHostPort(advertise);
  const std::string host = given ? given->host : IsEveryAddress(bind) ? HostName() : bind;
  const int shown_port = given && given->port != 0 ? given->port : port;
  return "grpc://" + config::FormatHostPort(host, shown_port);
}

std::string LocalUrl(const std::string& bind, int port) {
  return "http://" + config::FormatHostPort(IsEveryAddress(bind) ? "127.0.0.1" : bind, port);
}

std::string AwsS3Host(const std::string& region) {
  const std::string host = "s3." + (region.empty() ? "us-east-1" : region) + ".amazonaws.com";
  return region.starts_with("cn-") ? host + ".cn" : host;
}

arrow::Status CheckReachable(const std::string& host, int port, int64_t timeout_ms) {
  AddressList list(nullptr, freeaddrinfo);
  ARROW_RETURN_NOT_OK(Resolve(host, port, &list));
  std::string why = "no address";
  for (const addrinfo* info = list.get(); info != nullptr; info = info->ai_next) {
    const Socket socket(*info);
    if (socket.fd() < 0) continue;
    if (connect(socket.fd(), info->ai_addr, info->ai_addrlen) == 0) return arrow::Status::OK();
    if (errno == EINPROGRESS && Connected(socket.fd(), timeout_ms)) return arrow::Status::OK();
    why = std::strerror(errno);
  }
  return arrow::Status::IOError("cannot connect to ", config::FormatHostPort(host, port), ": ",
                                why);
}

}  // namespace eider::cmd
