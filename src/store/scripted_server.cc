#include "store/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace eider::store {
namespace {

constexpr auto kLongEnough = std::chrono::seconds(10);

int MustBe(int result, const char* what) {
  if (result >= 0) return result;
  std::perror(what);
  std::abort();
}

}  // namespace

void Peer::Send(std::string_view bytes) {
  while (open_ && !bytes.empty()) {
    const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return Close();
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

bool Peer::WaitForClose() {
  char byte = 0;
  pollfd wanted{.fd = socket_, .events = POLLIN};
  const int timeout_ms = static_cast<int>(std::chrono::milliseconds(kLongEnough).count());
  return poll(&wanted, 1, timeout_ms) == 1 && recv(socket_, &byte, 1, 0) <= 0;
}

// The descriptor stays open until the server's end, so that its number means this connection.
void Peer::Close() {
  if (std::exchange(open_, false)) shutdown(socket_, SHUT_RDWR);
}

void Peer::Reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  // Connecting to nothing breaks a connection off with a RST.
  sockaddr nowhere{};
  nowhere.sa_family = AF_UNSPEC;
  static_cast<void>(connect(socket_, &nowhere, sizeof(nowhere)));
  open_ = false;
}

std::string ScriptedServer::Request::Header(std::string_view name) const {
  size_t at = head.find("\r\n");
  while (at != std::string::npos && at + 2 < head.size()) {
    at += 2;
    const size_t end = std::min(head.find("\r\n", at), head.size());
    const std::string line = head.substr(at, end - at);
    if (line.size() > name.size() + 1 && line[name.size()] == ':' &&
        strncasecmp(line.data(), name.data(), name.size()) == 0) {
      return line.substr(std::min(line.find_first_not_of(' ', name.size() + 1), line.size()));
    }
    at = end;
  }
  return {};
}

ScriptedServer::ScriptedServer(Script script) : script_(std::move(script)) {
  listener_ = MustBe(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  MustBe(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), "bind");
  MustBe(listen(listener_, SOMAXCONN), "listen");
  MustBe(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

ScriptedServer::~ScriptedServer() {
  std::vector<std::shared_ptr<Peer>> peers;
  {
    const base::MutexLock lock(mutex_);
    closing_ = true;
    peers = peers_;
  }
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  std::vector<std::thread> threads;
  {
    const base::MutexLock lock(mutex_);
    peers = peers_;
    threads.swap(threads_);
  }
  for (const auto& peer : peers) shutdown(peer->socket_, SHUT_RDWR);
  for (std::thread& thread : threads) thread.join();
  for (const auto& peer : peers) close(peer->socket_);
  close(listener_);
}

std::string ScriptedServer::endpoint() const { return "127.0.0.1:" + std::to_string(port_); }

std::vector<ScriptedServer::Request> ScriptedServer::requests() const {
  const base::MutexLock lock(mutex_);
  return requests_;
}

int ScriptedServer::connections() const {
  const base::MutexLock lock(mutex_);
  return static_cast<int>(peers_.size());
}

bool ScriptedServer::WaitForRequests(size_t count) const {
  const auto deadline = std::chrono::steady_clock::now() + kLongEnough;
  const base::MutexLock lock(mutex_);
  while (requests_.size() < count) {
    if (!arrived_.WaitUntil(mutex_, deadline)) return false;
  }
  return true;
}

void ScriptedServer::Accept() {
  while (true) {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    const int yes = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    const base::MutexLock lock(mutex_);
    auto peer = std::make_shared<Peer>(socket, static_cast<int>(peers_.size()));
    peers_.push_back(peer);
    threads_.emplace_back([this, peer] { Serve(peer); });
  }
}

void ScriptedServer::Serve(std::shared_ptr<Peer> peer) {
  std::string buffer;
  while (peer->open_) {
    const size_t end = buffer.find("\r\n\r\n");
    if (end == std::string::npos) {
      char piece[4096];
      const ssize_t got = recv(peer->socket_, piece, sizeof(piece), 0);
      if (got <= 0) return peer->Close();
      buffer.append(piece, static_cast<size_t>(got));
      continue;
    }
    Request request{.head = buffer.substr(0, end + 2)};
    buffer.erase(0, end + 4);
    request.method = request.head.substr(0, request.head.find(' '));
    const size_t target = request.method.size() + 1;
    request.target = request.head.substr(target, request.head.find(' ', target) - target);
    {
      const base::MutexLock lock(mutex_);
      request.number = static_cast<int>(requests_.size());
      requests_.push_back(request);
    }
    arrived_.NotifyAll();
    script_(request, *peer);
  }
}

std::string Answer(std::string_view status, const std::vector<std::string>& headers,
                   std::string_view body) {
  std::string answer = "HTTP/1.1 " + std::string(status) + "\r\n";
  for (const std::string& header : headers) answer += header + "\r\n";
  answer += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  return answer + std::string(body);
}

std::string ServeObject(const ScriptedServer::Request& request, std::string_view object,
                        std::string_view etag) {
  const std::string tag = "ETag: " + std::string(etag);
  const std::string range = request.Header("Range");
  const auto size = static_cast<int64_t>(object.size());
  if (range.empty()) return Answer("200 OK", {tag}, object);
  const size_t dash = range.find('-');
  int64_t first = 0;
  int64_t last = size - 1;
  if (range.starts_with("bytes=-")) {
    first = std::max<int64_t>(0, size - std::atoll(range.c_str() + 7));
  } else {
    first = std::atoll(range.c_str() + 6);
    last = std::min<int64_t>(last, std::atoll(range.c_str() + dash + 1));
  }
  if (first >= size) {
    return Answer("416 Range Not Satisfiable", {"Content-Range: bytes */" + std::to_string(size)},
                  "");
  }
  const std::string content_range = "Content-Range: bytes " + std::to_string(first) + "-" +
                                    std::to_string(last) + "/" + std::to_string(size);
  return Answer("206 Partial Content", {tag, content_range},
                object.substr(static_cast<size_t>(first), static_cast<size_t>(last - first + 1)));
}

}  // namespace eider::store
