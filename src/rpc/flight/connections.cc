#include "rpc/flight/connections.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

namespace eider::rpc::flight {
namespace {

// An address as gRPC writes it, but for the brackets of IPv6, which it percent-encodes.
std::string Write(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return "ipv4:" + std::string(text.data()) + ":" + std::to_string(ntohs(v4.sin_port));
  }
  if (address.ss_family != AF_INET6) return "";
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  const std::string port = std::to_string(ntohs(v6.sin6_port));
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    inet_ntop(AF_INET, v6.sin6_addr.s6_addr + 12, text.data(), text.size());
    return "ipv4:" + std::string(text.data()) + ":" + port;
  }
  inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  return "ipv6:[" + std::string(text.data()) + "]:" + port;
}

std::string Decode(std::string peer) {
  for (const auto& [code, character] : {std::pair{"%5B", "["}, std::pair{"%5D", "]"}}) {
    const size_t at = peer.find(code);
    if (at != std::string::npos) peer.replace(at, std::strlen(code), character);
  }
  return peer;
}

bool Connects(int fd, const std::string& peer, int port) {
  sockaddr_storage theirs{};
  sockaddr_storage ours{};
  socklen_t theirs_size = sizeof(theirs);
  socklen_t ours_size = sizeof(ours);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&theirs), &theirs_size) != 0) return false;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&ours), &ours_size) != 0) return false;
  return Write(theirs) == peer && Write(ours).ends_with(":" + std::to_string(port));
}

std::vector<int> OpenDescriptors() {
  std::vector<int> fds;
  DIR* const folder = opendir("/proc/self/fd");
  if (folder == nullptr) return fds;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] != '.') fds.push_back(std::atoi(entry->d_name));
  }
  closedir(folder);
  return fds;
}

}  // namespace

bool ShutDownConnection(const std::string& peer, int port) {
  const std::string wanted = Decode(peer);
  for (const int fd : OpenDescriptors()) {
    if (!Connects(fd, wanted, port)) continue;
    // A descriptor of our own: by now the other number may be another file's.
    const int own = dup(fd);
    const bool found = own >= 0 && Connects(own, wanted, port);
    if (found) shutdown(own, SHUT_RDWR);
    if (own >= 0) close(own);
    if (found) return true;
  }
  return false;
}

Connections::Use::Use(Connections& connections, std::string peer, int port)
    : connections_(connections), peer_(std::move(peer)), port_(port) {
  connections_.Change(peer_, port_, 1, 0);
}

Connections::Use::~Use() { connections_.Change(peer_, port_, -1, given_up_ ? -1 : 0); }

void Connections::Use::GiveUp() {
  if (std::exchange(given_up_, true)) return;
  connections_.Change(peer_, port_, 0, 1);
}

void Connections::Change(const std::string& peer, int port, int open, int given_up) {
  base::MutexLock lock(mutex_);
  Streams& streams = streams_[peer];
  streams.open += open;
  streams.given_up += given_up;
  if (streams.open == 0) {
    streams_.erase(peer);
    return;
  }
  // Under the lock, so that no stream enters meanwhile.
  if (given_up >= 0 && streams.given_up == streams.open) ShutDownConnection(peer, port);
}

}  // namespace eider::rpc::flight
