#include "rpc/http/exchange.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "config/limits.h"

namespace eider::rpc {
namespace {

// What a small result's first bytes wait for its end, so that it leaves in one write.
constexpr auto kCoalesceFor = std::chrono::milliseconds(3);
constexpr size_t kReadAheadBytes = 2 << 10;
constexpr std::string_view kJsonBegin = R"({"result": ")";
constexpr std::string_view kJsonEnd = R"("})";

// Breaks the tie between outlet and exchange however Run ends.
class Abandoning {
 public:
  explicit Abandoning(std::shared_ptr<Outlet> outlet) : outlet_(std::move(outlet)) {}
  ~Abandoning() { outlet_->Abandon(); }
  Abandoning(const Abandoning&) = delete;
  Abandoning& operator=(const Abandoning&) = delete;

 private:
  const std::shared_ptr<Outlet> outlet_;
};

asio::const_buffer View(std::string_view text) { return asio::buffer(text.data(), text.size()); }

}  // namespace

Exchange::Exchange(Peer& peer, const HttpServer::Options& options, const Wish& wish, Cancel cancel)
    : peer_(peer),
      options_(options),
      wish_(wish),
      cancel_(std::move(cancel)),
      signal_(peer.executor()) {}

Outlet::Wake Exchange::MakeWake() {
  return [self = shared_from_this(), executor = peer_.executor()] {
    asio::post(executor, [self] { self->signal_.cancel(); });
  };
}

Awaitable<Exchange::Ending> Exchange::Run(const Submit& submit) {
  std::shared_ptr<StreamOutlet> stream;
  std::shared_ptr<WholeOutlet> whole;
  if (wish_.form == Form::kStream) {
    StreamOutlet::Limits limits;
    limits.max_bytes = options_.max_waiting_bytes;
    const int64_t figures_wait_ms = wish_.trailers ? config::kFiguresWaitMs : 0;
    outlet_ = stream = std::make_shared<StreamOutlet>(MakeWake(), limits, figures_wait_ms);
  } else {
    outlet_ = whole =
        std::make_shared<WholeOutlet>(MakeWake(), wish_.form == Form::kJson,
                                      options_.max_json_result_bytes, config::kFiguresWaitMs);
  }
  const Abandoning abandoning(outlet_);
  auto submitted = co_await submit(outlet_);
  if (!submitted.ok()) co_return co_await SendError(submitted.status());
  submitted_ = *std::move(submitted);
  if (gone_) GiveUp("the server stops");  // it was told while the query was being submitted
  // A refusal comes at once and by the thousand: there is nothing to watch for.
  if (!outlet_->failed()) {
    watching_ = true;
    asio::co_spawn(
        peer_.executor(), [self = shared_from_this()] { return self->Watch(); }, asio::detached);
  }
  Ending ending;
  if (stream != nullptr) {
    ending = co_await SendStream(*stream);
  } else {
    ending = co_await SendWhole(*whole);
  }
  co_await StopWatch();
  if (gone_) ending.reuse = false;
  co_return ending;
}

void Exchange::Stop() {
  gone_ = true;
  GiveUp("the server stops");
  signal_.cancel();
}

void Exchange::GiveUp(const std::string& reason) {
  if (given_up_ || submitted_ == nullptr) return;
  given_up_ = true;
  outlet_->Abandon();
  cancel_(submitted_, reason);
}

// Reads ahead while the query runs, for the one thing that it wants to know: that the client closed
// its side. What else comes is the next request's. Past the limit a close could no longer be seen
// behind it, and the query would run for nobody: who sends so much is taken for gone.
Awaitable<void> Exchange::Watch() {
  const auto limit = static_cast<size_t>(options_.max_pipelined_bytes);
  while (!stop_watching_ && peer_.inbound().size() < limit) {
    const auto space = peer_.inbound().prepare(kReadAheadBytes);
    const auto [error, bytes] = co_await peer_.socket().async_read_some(space, kAwait);
    peer_.inbound().commit(bytes);
    if (!error) continue;
    if (!stop_watching_) gone_ = true;
    break;
  }
  if (!stop_watching_ && peer_.inbound().size() >= limit) gone_ = true;
  watching_ = false;
  signal_.cancel();
}

Awaitable<void> Exchange::StopWatch() {
  stop_watching_ = true;
  NetError ignored;
  if (watching_) peer_.socket().cancel(ignored);
  while (watching_) co_await WaitForSignal(SteadyClock::time_point::max());
}

Awaitable<void> Exchange::WaitForSignal(SteadyClock::time_point until) {
  signal_.expires_at(until);
  co_await signal_.async_wait(kAwait);
}

Headers Exchange::QueryHeadersNow() const {
  return QueryHeaders(submitted_ != nullptr ? submitted_->query_id() : "", outlet_->claim());
}

// What the query cost, once its end has come.
Headers Exchange::FiguresNow() const {
  const auto figures = outlet_->figures();
  return figures ? FigureHeaders(*figures) : Headers();
}

Awaitable<Exchange::Ending> Exchange::SendError(const arrow::Status& why) {
  Response response = ErrorResponse(why);
  for (auto& header : QueryHeadersNow()) response.headers.push_back(std::move(header));
  const std::string head = FormatHead(
      response.status, response.content_type, response.headers,
      {.content_length = static_cast<int64_t>(response.body.size()), .close = wish_.close});
  std::vector<asio::const_buffer> buffers = {View(head), View(response.body)};
  // It goes to the kernel at once; this coroutine goes on when the others have had their turn.
  const auto at = SteadyClock::now();
  const bool sent = co_await peer_.Write(std::move(buffers), options_.stall_timeout_ms);
  co_return Ending{.status = response.status, .reuse = sent && !wish_.close, .at = at};
}

Awaitable<Exchange::Ending> Exchange::SendWhole(WholeOutlet& outlet) {
  WholeOutlet::View view = outlet.Peek();
  while (!gone_ && !view.ended && !view.failure) {
    co_await WaitForSignal(SteadyClock::time_point::max());
    view = outlet.Peek();
  }
  if (gone_) {
    GiveUp("the client closed its connection");
    co_return Ending{};
  }
  if (view.failure) {
    if (view.too_large) GiveUp("the result is too large for the answer's form");
    co_return co_await SendError(*view.failure);
  }
  const bool json = wish_.form == Form::kJson;
  const std::string body = outlet.TakeBody();
  const size_t length = body.size() + (json ? kJsonBegin.size() + kJsonEnd.size() : 0);
  Headers headers = QueryHeadersNow();
  for (auto& header : FiguresNow()) headers.push_back(std::move(header));
  const std::string head =
      FormatHead(200, json ? kJsonType : kArrowStreamType, headers,
                 {.content_length = static_cast<int64_t>(length), .close = wish_.close});
  std::vector<asio::const_buffer> buffers = {View(head), View(body)};
  if (json) buffers = {View(head), View(kJsonBegin), View(body), View(kJsonEnd)};
  const bool sent = co_await peer_.Write(std::move(buffers), options_.stall_timeout_ms);
  co_return Ending{.status = 200, .reuse = sent && !wish_.close};
}

// Waits until something is worth sending, or the exchange is over. Small first bytes wait a moment
// for the end.
Awaitable<bool> Exchange::WaitForMore(StreamOutlet& outlet, bool head_sent) {
  bool waited = false;
  while (!gone_) {
    const StreamOutlet::View view = outlet.Peek();
    if (view.ended || view.failure) co_return true;
    const bool enough = head_sent || waited || view.bytes >= StreamOutlet::kLargePieceBytes;
    if (view.bytes > 0 && enough) co_return true;
    if (view.bytes == 0) {
      co_await WaitForSignal(SteadyClock::time_point::max());
      continue;
    }
    const auto until = SteadyClock::now() + kCoalesceFor;
    co_await WaitForSignal(until);
    waited = SteadyClock::now() >= until;
  }
  co_return false;
}

Awaitable<bool> Exchange::SendChunk(StreamOutlet& outlet, bool last, bool with_head) {
  const auto pieces = outlet.Take();
  std::string head;
  if (with_head) {
    Headers headers = QueryHeadersNow();
    if (wish_.trailers) headers.emplace_back("Trailer", FigureNames());
    head = FormatHead(200, kArrowStreamType, headers, {.close = wish_.close});
  }
  int64_t bytes = 0;
  for (const auto& piece : pieces) bytes += piece->size();
  const std::string chunk_head = ChunkHead(bytes);
  std::vector<asio::const_buffer> buffers;
  buffers.reserve(pieces.size() + 4);
  if (with_head) buffers.push_back(View(head));
  if (bytes > 0) {
    buffers.push_back(View(chunk_head));
    for (const auto& piece : pieces) {
      buffers.push_back(asio::buffer(piece->data(), static_cast<size_t>(piece->size())));
    }
    buffers.push_back(View(kChunkEnd));
  }
  const std::string end = last ? LastChunk(wish_.trailers ? FiguresNow() : Headers()) : "";
  if (last) buffers.push_back(View(end));
  const bool sent = co_await peer_.Write(std::move(buffers), options_.stall_timeout_ms);
  co_return sent;
}

Awaitable<Exchange::Ending> Exchange::SendStream(StreamOutlet& outlet) {
  bool head_sent = false;
  while (co_await WaitForMore(outlet, head_sent)) {
    const StreamOutlet::View view = outlet.Peek();
    if (view.failure && !head_sent) co_return co_await SendError(*view.failure);
    if (view.failure) {
      peer_.Reset();  // anything gentler could pass for the end
      co_return Ending{.status = 200};
    }
    if (!co_await SendChunk(outlet, view.ended, !head_sent)) break;
    head_sent = true;
    if (view.ended) co_return Ending{.status = 200, .reuse = !wish_.close};
  }
  GiveUp(peer_.expired() ? "the client stopped reading" : "the client closed its connection");
  peer_.Reset();
  co_return Ending{.status = head_sent ? 200 : 499};
}

}  // namespace eider::rpc
