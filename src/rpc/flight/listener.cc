#include "rpc/flight/listener.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

#include "base/error.h"

namespace eider::rpc::flight {
namespace {

using arrow::flight::Location;

// For answers that are on their way; streams are drained before, by the worker.
constexpr std::chrono::milliseconds kStopGrace(200);

arrow::Status CannotListen(const std::string& bind, int port, const std::string& why) {
  return base::MakeError(base::ErrorCode::kInvalidQuery,
                         "cannot listen on " + bind + " port " + std::to_string(port) + ": " + why);
}

// gRPC does not say why it cannot listen, and writes to stderr: so the port is tried before.
arrow::Status TryToBind(const std::string& bind, int port) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string service = std::to_string(port);
  if (const int error = getaddrinfo(bind.c_str(), service.c_str(), &hints, &found); error != 0) {
    return CannotListen(bind, port, gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, &freeaddrinfo);
  const int fd = socket(addresses->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return CannotListen(bind, port, std::strerror(errno));
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  const bool bound = ::bind(fd, addresses->ai_addr, addresses->ai_addrlen) == 0;
  const int error = errno;
  close(fd);
  return bound ? arrow::Status::OK() : CannotListen(bind, port, std::strerror(error));
}

}  // namespace

arrow::Status Listen(arrow::flight::FlightServerBase& server, const std::string& bind, int port) {
  ARROW_RETURN_NOT_OK(TryToBind(bind, port));
  ARROW_ASSIGN_OR_RAISE(const Location location, Location::ForGrpcTcp(bind, port));
  // Init starts the server; Serve would only wait, and handle signals, which are not its business.
  const arrow::Status status = server.Init(arrow::flight::FlightServerOptions(location));
  return status.ok() ? status : CannotListen(bind, port, status.message());
}

void StopListening(arrow::flight::FlightServerBase& server) {
  const auto deadline = std::chrono::system_clock::now() + kStopGrace;
  (void)server.Shutdown(&deadline);
}

}  // namespace eider::rpc::flight
