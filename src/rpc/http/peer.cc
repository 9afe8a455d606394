#include "rpc/http/peer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <array>
#include <boost/asio/write.hpp>
#include <utility>

namespace eider::rpc {
namespace {

// Asio asks for 64 KiB at a time by default: 64 system calls for a batch of 4 MiB.
constexpr size_t kWriteBytes = 16 << 20;

// A vanished client is noticed within a minute also while nothing is sent to it.
void KeepAlive(Socket& socket) {
  using Idle = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPIDLE>;
  using Interval = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPINTVL>;
  using Count = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPCNT>;
  NetError ignored;
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  socket.set_option(Idle(30), ignored);
  socket.set_option(Interval(10), ignored);
  socket.set_option(Count(3), ignored);
}

}  // namespace

Peer::Peer(Socket socket) : socket_(std::move(socket)) {
  NetError ignored;
  socket_.set_option(Tcp::no_delay(true), ignored);
  KeepAlive(socket_);
  NetError gone;
  const auto endpoint = socket_.remote_endpoint(gone);
  if (!gone) address_ = endpoint.address().to_string();
}

void Peer::SetDeadline(int64_t from_now_ms) {
  deadline_ = SteadyClock::now() + std::chrono::milliseconds(from_now_ms);
  expired_ = false;
}

void Peer::CheckDeadline(SteadyClock::time_point now) {
  if (now < deadline_) return;
  ClearDeadline();
  expired_ = true;
  NetError ignored;
  socket_.cancel(ignored);
}

Awaitable<bool> Peer::Write(std::vector<asio::const_buffer> buffers, int64_t stall_ms) {
  SetDeadline(stall_ms);
  const auto go_on = [this, stall_ms](const NetError& error, size_t) -> size_t {
    if (error) return 0;
    SetDeadline(stall_ms);
    return kWriteBytes;
  };
  const auto [error, written] = co_await asio::async_write(socket_, buffers, go_on, kAwait);
  ClearDeadline();
  co_return !error;
}

void Peer::Reset() {
  if (!socket_.is_open()) return;
  NetError ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
}

Awaitable<void> Peer::Close(int64_t linger_ms) {
  NetError error;
  socket_.shutdown(Tcp::socket::shutdown_send, error);
  std::array<char, 16 << 10> discarded;
  SetDeadline(linger_ms);
  while (!error && !expired_) {
    const auto [failed, bytes] = co_await socket_.async_read_some(asio::buffer(discarded), kAwait);
    error = failed;
  }
  ClearDeadline();
  socket_.close(error);
}

}  // namespace eider::rpc
