// The HTTP front door over a coordinator::Service.
//
// A few io threads serve all connections as coroutines; an idle connection costs a socket and a
// coroutine's frame. What may block in the service runs on a small pool of its own.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "coordinator/service.h"

namespace eider::rpc {

// Thread-safe.
class HttpServer {
 public:
  struct Options {
    std::string bind = "127.0.0.1";  // an address, or a name that has one
    int port = 5000;                 // 0: a free one
    int io_threads = 2;
    int call_threads = 6;  // for calls that may block; two of them never wait for a query's end
    int max_connections = 10'000;         // further ones are told OVERLOADED and closed
    int max_queued_calls = 256;           // waiting for a call thread; further ones are OVERLOADED
    int64_t max_header_bytes = 32 << 10;  // 431 past it
    int64_t max_body_bytes = 8 << 20;     // 413 past it, without reading on
    int64_t max_sql_bytes = 1 << 20;      // SQL of so many or more is refused
    int64_t max_json_result_bytes = int64_t{256} << 20;  // of Arrow data, in a buffered answer
    int64_t max_waiting_bytes = 8 << 20;     // of one streamed result, between relay and socket
    int64_t max_pipelined_bytes = 64 << 10;  // read ahead while a query runs; more: gone
    int64_t idle_timeout_ms = 75'000;        // between requests
    int64_t header_timeout_ms = 10'000;      // from a request's first byte to its header's end
    int64_t body_timeout_ms = 60'000;        // from there to the body's end
    int64_t stall_timeout_ms = 60'000;       // a client that takes nothing for so long is dropped
    int64_t linger_timeout_ms = 5'000;       // for the client to read a refusal before the close
    // Told of each answer: the call's name (or "unknown"), the status (499 where the client went
    // before there was one), and how long it took since the request was read. Called from io
    // threads; must not block.
    std::function<void(std::string_view call, int status, int64_t took_us)> on_answer;
  };

  // Listens and serves from then on. `service` must outlive the server.
  // Errors: INVALID_QUERY that names address and port when they cannot be listened on.
  static arrow::Result<std::unique_ptr<HttpServer>> Start(coordinator::Service& service,
                                                          Options options);
  ~HttpServer();

  int port() const;

  // Accepts no more, cancels what runs and closes every connection (an unfinished result breaks,
  // it does not end); returns when all threads are done. Idempotent.
  void Stop();
  // Waits until every request that was read has its whole answer; false when one still has not
  // after `timeout_ms`. New ones are still taken: the service is to refuse them.
  bool Drain(int64_t timeout_ms);

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace eider::rpc
