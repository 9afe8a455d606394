#include "rpc/http/connection.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "rpc/http/calls.h"
#include "rpc/http/response.h"

namespace eider::rpc {
namespace {

namespace http = boost::beast::http;
using base::ErrorCode;
using base::MakeError;

// A longer body takes long enough to decode and to parse that it would hold up other connections.
constexpr size_t kDecodeInlineBytes = 64 << 10;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

asio::const_buffer View(std::string_view text) { return asio::buffer(text.data(), text.size()); }

std::string ToString(boost::beast::string_view text) { return {text.data(), text.size()}; }

// Counts a request as being answered, for a drain to wait for.
class Answering {
 public:
  explicit Answering(ServerContext& context) : context_(context) { context_.BeginAnswer(); }
  ~Answering() { context_.EndAnswer(); }
  Answering(const Answering&) = delete;
  Answering& operator=(const Answering&) = delete;

 private:
  ServerContext& context_;
};

}  // namespace

// A request while it is read.
class Connection::Incoming {
 public:
  using Parser = http::request_parser<http::string_body>;

  explicit Incoming(const HttpServer::Options& options) {
    parser.header_limit(static_cast<uint32_t>(options.max_header_bytes));
    parser.body_limit(static_cast<uint64_t>(options.max_body_bytes));
  }

  void ReadHead() {
    const auto& message = parser.get();
    head.method = ToString(message.method_string());
    head.target = ToString(message.target());
    head.http_1_0 = message.version() < 11;
    head.close = head.http_1_0 || !message.keep_alive();
    head.accept = ToString(message[http::field::accept]);
    head.te = ToString(message[http::field::te]);
    head.client = ToString(message["X-Eider-Client"]);
    head.traceparent = ToString(message["traceparent"]);
  }
  bool expects_continue() const {
    return boost::beast::iequals(parser.get()[http::field::expect], "100-continue");
  }
  const std::string& body() const { return parser.get().body(); }

  Parser parser;
  RequestHead head;
};

Connection::Connection(Socket socket, ServerContext& context)
    : context_(context), peer_(std::move(socket)) {
  ++context_.connections;
}

Connection::~Connection() { --context_.connections; }

void Connection::Stop() {
  if (exchange_ != nullptr) exchange_->Stop();
  peer_.Reset();
}

void Connection::Count(std::string_view call, int status, SteadyClock::time_point at) const {
  if (!context_.options.on_answer) return;
  const auto took = at - read_at_;
  context_.options.on_answer(call, status,
                             std::chrono::duration_cast<std::chrono::microseconds>(took).count());
}

Awaitable<void> Connection::Run() {
  bool reuse = true;
  while (reuse && !context_.stopping) reuse = co_await ServeOne();
  if (peer_.socket().is_open()) co_await peer_.Close(context_.options.linger_timeout_ms);
}

Awaitable<void> Connection::Refuse() {
  const Response response = ErrorResponse(
      MakeError(ErrorCode::kOverloaded,
                "there are " + std::to_string(context_.options.max_connections) +
                    " connections already (max_connections); close idle ones or come back later"));
  Count("unknown", response.status);
  const bool sent = co_await Send(response, /*close=*/true);
  if (sent) co_await peer_.Close(/*linger_ms=*/1'000);
}

Awaitable<bool> Connection::Send(const Response& response, bool close, bool with_body) {
  const std::string head =
      FormatHead(response.status, response.content_type, response.headers,
                 {.content_length = static_cast<int64_t>(response.body.size()), .close = close});
  std::vector<asio::const_buffer> buffers = {View(head)};
  if (with_body) buffers.push_back(View(response.body));
  const bool sent = co_await peer_.Write(std::move(buffers), context_.options.stall_timeout_ms);
  co_return sent && !close;
}

// Waits without a buffer: this is where thousands of idle connections are.
Awaitable<bool> Connection::WaitForRequest() {
  if (peer_.inbound().size() > 0) co_return true;
  peer_.inbound().shrink_to_fit();
  peer_.SetDeadline(context_.options.idle_timeout_ms);
  const auto [error] = co_await peer_.socket().async_wait(Socket::wait_read, kAwait);
  peer_.ClearDeadline();
  co_return !error;
}

Awaitable<bool> Connection::ServeOne() {
  if (!co_await WaitForRequest()) co_return false;
  Incoming incoming(context_.options);
  if (!co_await ReadRequest(incoming)) co_return false;
  read_at_ = SteadyClock::now();
  const Answering answering(context_);
  const auto found = FindRoute(incoming.head.method, incoming.head.target);
  if (const auto* miss = std::get_if<RouteMiss>(&found)) {
    const Response response = MissResponse(*miss);
    Count("unknown", response.status);
    co_return co_await Send(response, incoming.head.close, incoming.head.method != "HEAD");
  }
  const Route& route = std::get<Route>(found);
  if (route.call == Call::kRead || route.call == Call::kWrite) {
    co_return co_await AnswerQuery(incoming, route);
  }
  co_return co_await AnswerOther(incoming, route);
}

// False when there is none to answer: refused already, or the client is gone.
Awaitable<bool> Connection::ReadRequest(Incoming& incoming) {
  peer_.SetDeadline(context_.options.header_timeout_ms);
  const auto [error, bytes] =
      co_await http::async_read_header(peer_.socket(), peer_.inbound(), incoming.parser, kAwait);
  if (error) co_return co_await RefuseBroken(error);
  incoming.ReadHead();
  co_return co_await ReadBody(incoming);
}

Awaitable<bool> Connection::ReadBody(Incoming& incoming) {
  if (incoming.parser.is_done()) {
    peer_.ClearDeadline();
    co_return true;
  }
  if (incoming.expects_continue()) {
    std::vector<asio::const_buffer> buffers = {View(kContinue)};
    if (!co_await peer_.Write(std::move(buffers), context_.options.stall_timeout_ms)) {
      co_return false;
    }
  }
  peer_.SetDeadline(context_.options.body_timeout_ms);
  const auto [error, bytes] =
      co_await http::async_read(peer_.socket(), peer_.inbound(), incoming.parser, kAwait);
  if (error) co_return co_await RefuseBroken(error);
  peer_.ClearDeadline();
  co_return true;
}

// Answers what can be answered of a request that could not be read, and has the connection closed:
// nobody knows where the next request would begin.
Awaitable<bool> Connection::RefuseBroken(const NetError& error) {
  int status = 400;
  std::string message = "this is no HTTP/1.1 request: " + error.message();
  if (error == http::error::body_limit) {
    status = 413;
    message = "the body has more than " + std::to_string(context_.options.max_body_bytes) +
              " bytes, the limit of a request";
  } else if (error == http::error::header_limit) {
    status = 431;
    message = "the header has more than " + std::to_string(context_.options.max_header_bytes) +
              " bytes, the limit of a request";
  } else if (error == asio::error::operation_aborted && peer_.expired()) {
    status = 408;
    message = "the request did not arrive in time";
  } else if (error == http::error::end_of_stream) {
    co_return false;  // the proper end, between requests
  } else if (error == http::error::partial_message ||
             error.category() != http::make_error_code(http::error::bad_method).category()) {
    peer_.Reset();  // the client is gone
    co_return false;
  }
  Count("unknown", status);
  const Response response = ErrorResponse(MakeError(ErrorCode::kInvalidQuery, message), status);
  co_return co_await Send(response, /*close=*/true);
}

Awaitable<bool> Connection::AnswerQuery(const Incoming& incoming, const Route& route) {
  const bool stream = WantsArrowStream(incoming.head.accept);
  Exchange::Wish wish{.form = stream ? Exchange::Form::kStream : Exchange::Form::kJson,
                      .trailers = TakesTrailers(incoming.head.te),
                      .close = incoming.head.close};
  if (stream && incoming.head.http_1_0) wish.form = Exchange::Form::kArrow;
  const bool write = route.call == Call::kWrite;
  const auto submit = [this, &incoming, write](std::shared_ptr<coordinator::ResultSink> sink) {
    return SubmitQuery(incoming, write, std::move(sink));
  };
  const auto cancel = [&context = context_](std::shared_ptr<coordinator::Submitted> query,
                                            std::string reason) {
    context.Cancel(std::move(query), std::move(reason));
  };
  exchange_ = std::make_shared<Exchange>(peer_, context_.options, wish, cancel);
  const Exchange::Submit submit_query = submit;
  const Exchange::Ending ending = co_await exchange_->Run(submit_query);
  exchange_.reset();
  Count(CallName(route.call), ending.status, ending.at);
  co_return ending.reuse;
}

Awaitable<Connection::SubmitResult> Connection::SubmitQuery(
    const Incoming& incoming, bool write, std::shared_ptr<coordinator::ResultSink> sink) {
  const auto submit = [this, &incoming, write, sink]() -> SubmitResult {
    ARROW_ASSIGN_OR_RAISE(protocol::Query query, Decode(incoming, write));
    return context_.service.Relay(std::move(query), sink);
  };
  if (incoming.body().size() <= kDecodeInlineBytes) co_return submit();
  auto submitted = co_await OffThread<SubmitResult>(submit);
  if (!submitted.ok()) co_return submitted.status();
  co_return *std::move(submitted);
}

arrow::Result<protocol::Query> Connection::Decode(const Incoming& incoming,
                                                  std::optional<bool> write) const {
  return DecodeQueryRequest(incoming.head, incoming.body(), write, peer_.address(),
                            context_.options.max_sql_bytes);
}

Awaitable<bool> Connection::AnswerOther(const Incoming& incoming, const Route& route) {
  Response response;
  if (!MayBlock(route.call)) {
    response = AnswerCall(context_.service, route, incoming.body(), context_.stopping);
  } else {
    const auto call = [this, &incoming, &route] {
      Route now = route;
      const bool waits = route.wait_ms > 0 && context_.BeginWait();
      if (!waits) now.wait_ms = 0;
      if (now.call == Call::kExplain) {
        return AnswerExplain(context_.service, Decode(incoming, /*write=*/std::nullopt));
      }
      Response answer = AnswerCall(context_.service, now, incoming.body(), context_.stopping);
      if (waits) context_.EndWait();
      return answer;
    };
    auto answered = co_await OffThread<Response>(call);
    response = answered.ok() ? *std::move(answered) : ErrorResponse(answered.status());
  }
  Count(CallName(route.call), response.status);
  co_return co_await Send(response, incoming.head.close, incoming.head.method != "HEAD");
}

template <typename T, typename Function>
Awaitable<arrow::Result<T>> Connection::OffThread(Function call) {
  const auto result = std::make_shared<std::optional<T>>();
  const auto done = std::make_shared<Timer>(peer_.executor(), SteadyClock::time_point::max());
  auto work = asio::make_work_guard(peer_.executor());
  const bool taken = context_.RunCall([result, done, call, executor = peer_.executor()]() mutable {
    auto value = call();
    asio::post(executor, [result, done, value = std::move(value)]() mutable {
      result->emplace(std::move(value));
      done->cancel();
    });
  });
  if (!taken) {
    co_return MakeError(ErrorCode::kOverloaded,
                        "too many calls wait for an answer (" +
                            std::to_string(context_.options.max_queued_calls) +
                            "); come back later");
  }
  while (!result->has_value()) {
    done->expires_at(SteadyClock::time_point::max());
    co_await done->async_wait(kAwait);
  }
  co_return std::move(**result);
}

}  // namespace eider::rpc
