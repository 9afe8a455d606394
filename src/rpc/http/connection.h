// One client's connection: requests in, answers out, one after the other.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "rpc/http/context.h"
#include "rpc/http/exchange.h"
#include "rpc/http/peer.h"
#include "rpc/http/request.h"
#include "rpc/http/router.h"

namespace eider::rpc {

// Not thread-safe: lives on its io_context's thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Socket socket, ServerContext& context);
  ~Connection();

  // Serves until either side ends the connection.
  Awaitable<void> Run();
  // Says OVERLOADED and closes.
  Awaitable<void> Refuse();
  void CheckDeadline(SteadyClock::time_point now) { peer_.CheckDeadline(now); }
  // Ends Run soon; an unfinished result breaks.
  void Stop();

 private:
  class Incoming;

  Awaitable<bool> ServeOne();
  Awaitable<bool> WaitForRequest();
  Awaitable<bool> ReadRequest(Incoming& incoming);
  Awaitable<bool> ReadBody(Incoming& incoming);
  Awaitable<bool> RefuseBroken(const NetError& error);
  Awaitable<bool> AnswerQuery(const Incoming& incoming, const Route& route);
  Awaitable<bool> AnswerOther(const Incoming& incoming, const Route& route);
  arrow::Result<protocol::Query> Decode(const Incoming& incoming, std::optional<bool> write) const;
  Awaitable<bool> Send(const Response& response, bool close, bool with_body = true);
  using SubmitResult = arrow::Result<std::shared_ptr<coordinator::Submitted>>;
  Awaitable<SubmitResult> SubmitQuery(const Incoming& incoming, bool write,
                                      std::shared_ptr<coordinator::ResultSink> sink);
  // Runs `call` on a thread that may block; OVERLOADED when there are too many such calls.
  template <typename T, typename Function>
  Awaitable<arrow::Result<T>> OffThread(Function call);
  void Count(std::string_view call, int status,
             SteadyClock::time_point at = SteadyClock::now()) const;

  ServerContext& context_;
  Peer peer_;
  SteadyClock::time_point read_at_ = SteadyClock::now();  // the last request, or the connection
  std::shared_ptr<Exchange> exchange_;                    // while a query runs
};

}  // namespace eider::rpc
