// One client's socket, with a deadline and the two ways to end it: closed so that the client can
// read all, or reset so that it cannot take what it has for the whole.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <string>
#include <vector>

#include "rpc/http/asio.h"

namespace eider::rpc {

// Not thread-safe: lives on its io_context's thread.
class Peer {
 public:
  explicit Peer(Socket socket);

  Socket& socket() { return socket_; }
  Executor executor() { return socket_.get_executor(); }
  // Bytes that were read and not used yet: the next request's.
  boost::beast::flat_buffer& inbound() { return inbound_; }
  // The client's IP address; "" when it was gone at once.
  const std::string& address() const { return address_; }

  // What is pending when the time has passed ends as aborted, and expired() is true.
  void SetDeadline(int64_t from_now_ms);
  void ClearDeadline() { deadline_ = SteadyClock::time_point::max(); }
  bool expired() const { return expired_; }
  void CheckDeadline(SteadyClock::time_point now);

  // Writes all of the buffers; false when the client is gone or took nothing for `stall_ms`.
  Awaitable<bool> Write(std::vector<asio::const_buffer> buffers, int64_t stall_ms);

  // Ends both directions at once with a reset. Idempotent.
  void Reset();
  // Ends our direction, then lets the client read what was sent: closing over unread input would
  // reset the connection and take the answer with it. Input is discarded, for `linger_ms` at most.
  Awaitable<void> Close(int64_t linger_ms);

 private:
  Socket socket_;
  boost::beast::flat_buffer inbound_;
  std::string address_;
  SteadyClock::time_point deadline_ = SteadyClock::time_point::max();
  bool expired_ = false;
};

}  // namespace eider::rpc
