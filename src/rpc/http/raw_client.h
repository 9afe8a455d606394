// For tests: a client that sends and reads exactly the bytes it is told to.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>

namespace eider::rpc {

class RawClient {
 public:
  explicit RawClient(int port, int receive_buffer = 0) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer > 0) {
      setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    }
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~RawClient() { Close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }

  // False when the server has closed or reset.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  void SendPost(std::string_view path, std::string_view body, std::string_view headers = "",
                std::string_view version = "1.1") {
    std::string request = "POST " + std::string(path) + " HTTP/" + std::string(version) +
                          "\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
    Send(request.append(headers).append("\r\n").append(body));
  }
  void HalfClose() { shutdown(socket_, SHUT_WR); }
  void Close() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }

  // Reads until `text` has come (or the end); all that came so far is in received().
  bool ReadUntil(std::string_view text) {
    while (received_.find(text) == std::string::npos) {
      if (!ReadSome()) return false;
    }
    return true;
  }
  // Reads to the end. True when the end is orderly, false when it is a reset.
  bool ReadToEnd() {
    while (ReadSome()) {
    }
    return !reset_;
  }
  // Reads one piece; false at the end, at a reset and after ten seconds of silence.
  bool ReadSome() {
    pollfd ready = {.fd = socket_, .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, 10'000) != 1) return false;
    char buffer[64 << 10];
    const ssize_t count = recv(socket_, buffer, sizeof(buffer), 0);
    if (count < 0) reset_ = errno == ECONNRESET;
    if (count <= 0) return false;
    received_.append(buffer, static_cast<size_t>(count));
    return true;
  }
  std::string& received() { return received_; }
  bool reset() const { return reset_; }

 private:
  int socket_;
  bool connected_ = false;
  bool reset_ = false;
  std::string received_;
};

}  // namespace eider::rpc
