#include "rpc/http/server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "rpc/http/asio.h"
#include "rpc/http/connection.h"
#include "rpc/http/context.h"

namespace eider::rpc {
namespace {

using Acceptor = asio::basic_socket_acceptor<Tcp, Executor>;

constexpr auto kDeadlineCheck = std::chrono::milliseconds(100);
// How long to let descriptors come free again when there is none left to accept with.
constexpr auto kAcceptPause = std::chrono::milliseconds(50);

arrow::Status CannotListen(const HttpServer::Options& options, const std::string& why) {
  return base::MakeError(base::ErrorCode::kInvalidQuery,
                         "cannot listen for HTTP on " + options.bind + " port " +
                             std::to_string(options.port) + ": " + why);
}

arrow::Result<Tcp::endpoint> Resolve(asio::io_context& io, const HttpServer::Options& options) {
  NetError error;
  Tcp::resolver resolver(io);
  const auto found =
      resolver.resolve(options.bind, std::to_string(options.port), Tcp::resolver::passive, error);
  if (error || found.empty()) return CannotListen(options, error.message());
  return found.begin()->endpoint();
}

arrow::Result<Acceptor> Listen(asio::io_context& io, const HttpServer::Options& options) {
  ARROW_ASSIGN_OR_RAISE(const Tcp::endpoint endpoint, Resolve(io, options));
  Acceptor acceptor(io.get_executor());
  NetError error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return CannotListen(options, error.message());
  return acceptor;
}

// One io thread and the connections that live on it.
class Loop {
 public:
  explicit Loop(ServerContext& context)
      : context_(context), io_(1), tick_(io_.get_executor()), work_(asio::make_work_guard(io_)) {}

  asio::io_context& io() { return io_; }

  void Start() {
    asio::co_spawn(io_.get_executor(), CheckDeadlines(), asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }

  // Takes over a socket whose executor is this loop's. Thread-safe.
  void Serve(Socket socket, bool refuse) {
    auto connection = std::make_shared<Connection>(std::move(socket), context_);
    asio::post(io_, [this, connection = std::move(connection), refuse]() mutable {
      if (context_.stopping) return;
      connections_.insert(connection);
      // An exception (no memory) costs the connection it hit, nothing else.
      const auto forget = [this, connection](const std::exception_ptr&) {
        connections_.erase(connection);
      };
      asio::co_spawn(
          io_.get_executor(),
          [connection, refuse] { return refuse ? connection->Refuse() : connection->Run(); },
          forget);
    });
  }

  // REQUIRES: context.stopping.
  void Stop() {
    asio::post(io_, [this] {
      tick_.cancel();
      for (const auto& connection : connections_) connection->Stop();
    });
    work_.reset();
  }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  Awaitable<void> CheckDeadlines() {
    while (!context_.stopping) {
      tick_.expires_after(kDeadlineCheck);
      co_await tick_.async_wait(kAwait);
      const auto now = SteadyClock::now();
      for (const auto& connection : connections_) connection->CheckDeadline(now);
    }
  }

  ServerContext& context_;
  asio::io_context io_;
  Timer tick_;
  asio::executor_work_guard<Executor> work_;
  std::set<std::shared_ptr<Connection>> connections_;  // this loop's thread only
  std::thread thread_;
};

}  // namespace

struct HttpServer::State {
  State(coordinator::Service& service, Options options) : context(service, std::move(options)) {
    for (int i = 0; i < context.options.io_threads; ++i) {
      loops.push_back(std::make_unique<Loop>(context));
    }
  }

  Awaitable<void> Accept() {
    Timer pause(loops[0]->io().get_executor());
    for (size_t next = 0; !context.stopping; next = (next + 1) % loops.size()) {
      const Executor executor = loops[next]->io().get_executor();
      auto [error, socket] = co_await acceptor->async_accept(executor, kAwait);
      if (error == asio::error::operation_aborted) co_return;
      if (error) {
        pause.expires_after(kAcceptPause);
        co_await pause.async_wait(kAwait);
        continue;
      }
      loops[next]->Serve(std::move(socket), context.connections >= context.options.max_connections);
    }
  }

  void Stop() {
    if (context.stopping.exchange(true)) return;
    asio::post(loops[0]->io(), [this] {
      NetError ignored;
      acceptor->close(ignored);
    });
    for (const auto& loop : loops) loop->Stop();
    for (const auto& loop : loops) loop->Join();
    context.Join();
  }

  ServerContext context;
  std::vector<std::unique_ptr<Loop>> loops;
  std::optional<Acceptor> acceptor;
  int port = 0;
};

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

HttpServer::~HttpServer() { Stop(); }

arrow::Result<std::unique_ptr<HttpServer>> HttpServer::Start(coordinator::Service& service,
                                                             Options options) {
  auto state = std::make_unique<State>(service, std::move(options));
  asio::io_context& io = state->loops[0]->io();
  ARROW_ASSIGN_OR_RAISE(Acceptor acceptor, Listen(io, state->context.options));
  NetError error;
  state->port = acceptor.local_endpoint(error).port();
  state->acceptor.emplace(std::move(acceptor));
  asio::co_spawn(io.get_executor(), state->Accept(), asio::detached);
  for (const auto& loop : state->loops) loop->Start();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

int HttpServer::port() const { return state_->port; }

bool HttpServer::Drain(int64_t timeout_ms) { return state_->context.WaitForAnswers(timeout_ms); }

void HttpServer::Stop() { state_->Stop(); }

}  // namespace eider::rpc
