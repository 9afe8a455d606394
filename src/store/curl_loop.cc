#include "store/curl_loop.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <new>

#include "store/curl_transfer.h"

namespace eider::store {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

void InitCurlOnce() {
  static const CURLcode done = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(done);
}

CURLM* NewMulti(const TransferOptions& options) {
  InitCurlOnce();
  CURLM* multi = curl_multi_init();
  if (multi == nullptr) throw std::bad_alloc();
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(options.max_connections));
  curl_multi_setopt(multi, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  return multi;
}

// TLS sessions are kept by handles, which do not outlive a request, unless they are shared.
CURLSH* NewShare() {
  CURLSH* share = curl_share_init();
  if (share == nullptr) throw std::bad_alloc();
  curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  return share;
}

// Everything before the path, and the proxy: what connections are counted by.
std::string HostOf(const HttpRequest& request) {
  const size_t host = request.url.find("://");
  const size_t end = request.url.find('/', host == std::string::npos ? 0 : host + 3);
  return request.url.substr(0, end) + " " + request.access->proxy;
}

}  // namespace

struct CurlLoop::Exchange {
  uint64_t id = 0;
  HttpRequest request;
  std::string host;
  Scope scope;
  std::unique_ptr<Receiver> receiver;
  std::optional<std::stop_callback<std::function<void()>>> on_stop;
  std::unique_ptr<CurlTransfer> transfer;  // null: it waits for a connection
  TimePoint first_byte_due;
  // Progress since the last look.
  bool was_answering = false;
  int64_t bytes_then = 0;
  TimePoint check_at = TimePoint::max();
};

CurlLoop::CurlLoop(const TransferOptions& options)
    : options_(options),
      multi_(NewMulti(options)),
      share_(NewShare()),
      slots_(options.max_connections, options.max_host_connections),
      thread_([this] { Run(); }) {}

CurlLoop::~CurlLoop() {
  {
    const base::MutexLock lock(mutex_);
    closing_ = true;
  }
  Wake();
  thread_.join();
  curl_multi_cleanup(multi_);
  curl_share_cleanup(share_);
}

void CurlLoop::Wake() { curl_multi_wakeup(multi_); }

void CurlLoop::Start(HttpRequest request, const Scope& scope, std::unique_ptr<Receiver> receiver) {
  auto exchange = std::make_unique<Exchange>();
  exchange->host = HostOf(request);
  exchange->request = std::move(request);
  exchange->scope = scope;
  exchange->receiver = std::move(receiver);
  uint64_t id = 0;
  {
    const base::MutexLock lock(mutex_);
    id = exchange->id = next_id_++;
  }
  // Outside the lock, which the callback takes. A stop before the exchange has arrived is seen on
  // its arrival.
  if (scope.stop.stop_possible()) {
    exchange->on_stop.emplace(scope.stop, [this, id] {
      {
        const base::MutexLock lock(mutex_);
        stops_.push_back(id);
      }
      Wake();
    });
  }
  {
    const base::MutexLock lock(mutex_);
    arrivals_.push_back(std::move(exchange));
  }
  Wake();
}

void CurlLoop::Run() {
  while (TakeNews()) {
    CheckTimes();
    Perform();
    curl_multi_poll(multi_, nullptr, 0, PollTimeoutMs(), nullptr);
  }
}

void CurlLoop::Perform() {
  int running = 0;
  curl_multi_perform(multi_, &running);
  ReadMessages();
}

bool CurlLoop::TakeNews() {
  std::vector<std::unique_ptr<Exchange>> arrivals;
  std::vector<uint64_t> stops;
  bool closing = false;
  {
    const base::MutexLock lock(mutex_);
    arrivals.swap(arrivals_);
    stops.swap(stops_);
    closing = closing_;
  }
  // What has arrived is read before what is new is sent: after a while without a processor an
  // answer may lie there that a twin was meant for, which is stopped by it.
  if (!arrivals.empty()) Perform();
  for (auto& exchange : arrivals) Admit(std::move(exchange));
  for (const uint64_t id : stops) Finish(id, {.kind = ExchangeEnd::Kind::kCancelled});
  if (!closing) return true;
  ending_ = true;
  while (!exchanges_.empty()) {
    Finish(exchanges_.begin()->first, {.kind = ExchangeEnd::Kind::kCancelled});
  }
  return false;
}

void CurlLoop::Admit(std::unique_ptr<Exchange> arrived) {
  Exchange& exchange = *arrived;
  exchanges_.emplace(exchange.id, std::move(arrived));
  const TimePoint now = Clock::now();
  if (exchange.scope.stop.stop_requested()) {
    Finish(exchange.id, {.kind = ExchangeEnd::Kind::kCancelled});
  } else if (now >= exchange.scope.deadline) {
    Finish(exchange.id, {.kind = ExchangeEnd::Kind::kDeadline});
  } else if (slots_.Enter(exchange.id, exchange.host)) {
    Send(exchange);
  } else {
    Watch(exchange, now);
  }
}

void CurlLoop::Send(Exchange& exchange) {
  const TimePoint now = Clock::now();
  const bool list = exchange.request.kind == HttpRequest::Kind::kList;
  exchange.first_byte_due = now + milliseconds(list ? options_.list_first_byte_timeout_ms
                                                    : options_.first_byte_timeout_ms);
  exchange.transfer =
      std::make_unique<CurlTransfer>(exchange.request, *exchange.receiver, options_, share_);
  Watch(exchange, now);
  curl_easy_setopt(exchange.transfer->handle(), CURLOPT_PRIVATE, &exchange);
  exchange.receiver->OnSent();
  curl_multi_add_handle(multi_, exchange.transfer->handle());
}

void CurlLoop::ReadMessages() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    Exchange* exchange = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
    Finish(exchange->id, exchange->transfer->EndOf(message->data.result));
  }
}

void CurlLoop::Watch(Exchange& exchange, TimePoint now) {
  checks_.erase({exchange.check_at, exchange.id});
  exchange.check_at = exchange.scope.deadline;
  if (exchange.transfer != nullptr) {
    exchange.was_answering = exchange.transfer->answering();
    exchange.bytes_then = exchange.transfer->received_bytes();
    const TimePoint look = now + milliseconds(options_.stall_ms);
    const TimePoint due = exchange.was_answering ? look : std::min(look, exchange.first_byte_due);
    exchange.check_at = std::min(due, exchange.check_at);
  }
  if (exchange.check_at != TimePoint::max()) checks_.emplace(exchange.check_at, exchange.id);
}

std::optional<ExchangeEnd> CurlLoop::Judge(const Exchange& exchange, TimePoint now) const {
  if (now >= exchange.scope.deadline) return ExchangeEnd{.kind = ExchangeEnd::Kind::kDeadline};
  if (exchange.transfer == nullptr) return std::nullopt;
  if (!exchange.transfer->answering()) {
    if (now < exchange.first_byte_due) return std::nullopt;
    return ExchangeEnd{.kind = ExchangeEnd::Kind::kBroken, .why = "it did not answer in time"};
  }
  if (!exchange.was_answering) return std::nullopt;
  const int64_t bytes = exchange.transfer->received_bytes() - exchange.bytes_then;
  if (bytes >= options_.min_bytes_per_second * options_.stall_ms / 1000) return std::nullopt;
  return ExchangeEnd{.kind = ExchangeEnd::Kind::kBroken,
                     .why = "it stalled: " + std::to_string(bytes) + " bytes in " +
                            std::to_string(options_.stall_ms) + " ms"};
}

void CurlLoop::CheckTimes() {
  const TimePoint now = Clock::now();
  while (!checks_.empty() && checks_.begin()->first <= now) {
    Exchange& exchange = *exchanges_.at(checks_.begin()->second);
    if (const auto end = Judge(exchange, now)) {
      Finish(exchange.id, *end);
    } else {
      Watch(exchange, now);
    }
  }
}

void CurlLoop::Finish(uint64_t id, const ExchangeEnd& end) {
  const auto found = exchanges_.find(id);
  if (found == exchanges_.end()) return;
  const std::unique_ptr<Exchange> exchange = std::move(found->second);
  exchanges_.erase(found);
  checks_.erase({exchange->check_at, id});
  if (exchange->transfer != nullptr) {
    curl_multi_remove_handle(multi_, exchange->transfer->handle());
    exchange->transfer.reset();
    const auto next = slots_.Leave(exchange->host);
    if (next && !ending_) Send(*exchanges_.at(*next));
  } else {  // which may never have come so far
    slots_.Forget(id, exchange->host);
  }
  exchange->on_stop.reset();  // waits for a callback that runs: not under the lock
  exchange->receiver->OnEnd(end);
}

int CurlLoop::PollTimeoutMs() const {
  constexpr int64_t kIdleMs = 60'000;
  if (checks_.empty()) return kIdleMs;
  const auto left = std::chrono::ceil<milliseconds>(checks_.begin()->first - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, kIdleMs));
}

}  // namespace eider::store
