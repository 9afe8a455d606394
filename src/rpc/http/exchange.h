// One /read or /write on its connection: submits the query, watches the client while it runs, and
// sends the result as it comes or as a whole.
#pragma once

#include <arrow/result.h>

#include <functional>
#include <memory>
#include <string>

#include "coordinator/service.h"
#include "rpc/http/outlet.h"
#include "rpc/http/peer.h"
#include "rpc/http/response.h"
#include "rpc/http/server.h"

namespace eider::rpc {

// Not thread-safe: lives on its peer's thread, but for the wake-ups of its outlet.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  enum class Form {
    kStream,  // Arrow IPC, chunked
    kArrow,   // Arrow IPC with a length: for HTTP/1.0
    kJson,    // {"result": "<base64>"} with a length
  };
  // What the client asked for, but for its query.
  struct Wish {
    Form form = Form::kJson;
    bool trailers = false;  // kStream: it reads them
    bool close = false;     // the connection ends after the answer
  };
  // How it ended for the connection.
  struct Ending {
    int status = 499;    // what the client was told; 499: nothing, it had gone
    bool reuse = false;  // the connection is in order for another request
    SteadyClock::time_point at = SteadyClock::now();  // when an error went out, or the end
  };
  using Submit = std::function<Awaitable<arrow::Result<std::shared_ptr<coordinator::Submitted>>>(
      std::shared_ptr<coordinator::ResultSink>)>;
  // Cancels off this thread: it may ask a worker.
  using Cancel = std::function<void(std::shared_ptr<coordinator::Submitted>, std::string reason)>;

  // `peer` and `options` outlive the exchange's Run.
  Exchange(Peer& peer, const HttpServer::Options& options, const Wish& wish, Cancel cancel);

  Awaitable<Ending> Run(const Submit& submit);
  // The server stops: ends Run soon, and with a reset where a result was on its way.
  void Stop();

 private:
  Awaitable<void> Watch();
  Awaitable<void> StopWatch();
  Awaitable<Ending> SendStream(StreamOutlet& outlet);
  Awaitable<bool> WaitForMore(StreamOutlet& outlet, bool head_sent);
  Awaitable<bool> SendChunk(StreamOutlet& outlet, bool last, bool with_head);
  Awaitable<Ending> SendWhole(WholeOutlet& outlet);
  Awaitable<Ending> SendError(const arrow::Status& why);
  Awaitable<void> WaitForSignal(SteadyClock::time_point until);
  Outlet::Wake MakeWake();
  Headers QueryHeadersNow() const;
  Headers FiguresNow() const;
  void GiveUp(const std::string& reason);

  Peer& peer_;
  const HttpServer::Options& options_;
  const Wish wish_;
  const Cancel cancel_;
  Timer signal_;
  std::shared_ptr<Outlet> outlet_;
  std::shared_ptr<coordinator::Submitted> submitted_;
  bool watching_ = false;
  bool stop_watching_ = false;
  bool gone_ = false;  // the client, or the server's will to serve it
  bool given_up_ = false;
};

}  // namespace eider::rpc
