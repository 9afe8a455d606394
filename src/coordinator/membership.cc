#include "coordinator/membership.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <type_traits>
#include <utility>

#include "base/error.h"

namespace eider::coordinator {

// An attach stream. Shared by the link's thread, which receives, and the watcher, which pings and
// cancels; so neither can outlive it.
struct Membership::Stream {
  explicit Stream(std::unique_ptr<protocol::Channel> opened) : channel(std::move(opened)) {}
  const std::unique_ptr<protocol::Channel> channel;
  std::unique_ptr<protocol::Session> session;  // null until the handshake is done; by mutex_
};

// A worker's address, and what came of attaching to it. All but `location` is guarded by mutex_.
struct Membership::Link {
  Link(std::string where, std::string id, int64_t its_epoch, int64_t now_ms)
      : location(std::move(where)),
        announced_id(std::move(id)),
        epoch(its_epoch),
        away_since_ms(now_ms) {
    info.location = location;
  }
  const std::string location;
  const std::string announced_id;  // empty: it was listed
  WorkerInfo info;
  int64_t epoch;
  int64_t away_since_ms;
  bool welcomed = false;  // it was up once
  bool draining = false;
  bool superseded = false;
  std::shared_ptr<Stream> stream;
  std::thread thread;
};

Membership::Membership(WorkerClientFactory factory, protocol::ClusterKey key,
                       std::string coordinator_id, int64_t epoch, const base::Clock& clock,
                       MembershipEvents events)
    : factory_(std::move(factory)),
      key_(std::move(key)),
      coordinator_id_(std::move(coordinator_id)),
      epoch_(epoch),
      clock_(clock),
      events_(std::move(events)) {
  base::MutexLock lock(mutex_);
  watcher_ = std::thread([this] { WatchForSilence(); });
}

Membership::~Membership() { Stop(); }

arrow::Status Membership::Add(const std::string& location, const std::string& announced_id) {
  base::MutexLock lock(mutex_);
  if (stopped_ || links_.contains(location)) return arrow::Status::OK();
  if (!announced_id.empty() && IsUpElsewhere(announced_id, nullptr)) return arrow::Status::OK();
  if (links_.size() >= kMaxWorkers) {
    return base::MakeError(base::ErrorCode::kResourceExhausted,
                           "there are " + std::to_string(kMaxWorkers) + " workers already");
  }
  auto link = std::make_shared<Link>(location, announced_id, epoch_, clock_.MonotonicMs());
  links_[location] = link;
  link->thread = std::thread([this, link] { Run(link); });
  return arrow::Status::OK();
}

void Membership::Run(const std::shared_ptr<Link>& link) {
  int64_t pause_ms = kRetryMs;
  while (true) {
    const arrow::Status ended = AttachOnce(*link);
    const std::string worker_id = Part(*link, ended);
    if (!worker_id.empty()) {
      events_.down(worker_id);
      pause_ms = kRetryMs;
    }
    bool superseded = false;
    {
      base::MutexLock lock(mutex_);
      superseded = link->superseded;
    }
    if (ForgetIfAway(link) || !Pause(superseded ? kSupersededMs : pause_ms)) return;
    pause_ms = std::min(2 * pause_ms, kRetryMaxMs);
  }
}

std::string Membership::Part(Link& link, const arrow::Status& why) {
  base::MutexLock lock(mutex_);
  const bool was_up = std::exchange(link.info.up, false);
  link.info.client = nullptr;
  link.info.last_error = why.ok() ? "it ended the attach stream" : why.message();
  link.stream = nullptr;
  if (!was_up) return {};
  up_.erase(link.info.hello.worker_id);
  link.away_since_ms = clock_.MonotonicMs();
  return link.info.hello.worker_id;
}

arrow::Status Membership::AttachOnce(Link& link) {
  ARROW_ASSIGN_OR_RAISE(auto client, factory_(link.location));
  ARROW_ASSIGN_OR_RAISE(auto channel, client->Attach());
  const auto stream = std::make_shared<Stream>(std::move(channel));
  int64_t epoch = 0;
  {
    base::MutexLock lock(mutex_);
    if (stopped_) return arrow::Status::Cancelled("the coordinator stops");
    link.stream = stream;
    link.info.client = std::move(client);
    link.info.last_event_ms = clock_.MonotonicMs();  // silence counts from here
    link.superseded = false;
    epoch = link.epoch;
    link.draining = false;
  }
  ARROW_ASSIGN_OR_RAISE(auto connected,
                        protocol::Session::Connect(*stream->channel, key_, coordinator_id_, epoch));
  protocol::Session& session = *connected;
  {
    base::MutexLock lock(mutex_);
    stream->session = std::move(connected);
  }
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const std::optional<protocol::Message> message, session.Receive());
    if (!message) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(Receive(link, session.peer_id(), *message));
  }
}

arrow::Status Membership::Receive(Link& link, const std::string& peer_id,
                                  const protocol::Message& message) {
  std::string worker_id;
  {
    base::MutexLock lock(mutex_);
    link.info.last_event_ms = clock_.MonotonicMs();
    if (link.info.up) worker_id = link.info.hello.worker_id;
  }
  if (const auto* hello = std::get_if<protocol::Hello>(&message)) {
    if (hello->worker_id == peer_id) return Welcome(link, *hello);
    return base::MakeError(base::ErrorCode::kPermissionDenied,
                           "worker " + peer_id + " calls itself " + hello->worker_id);
  }
  if (const auto* superseded = std::get_if<protocol::Superseded>(&message)) {
    base::MutexLock lock(mutex_);
    // A live coordinator keeps it, and what we had once we do not take back.
    const bool left_over = !link.welcomed && !superseded->attached;
    link.superseded = !left_over;
    if (left_over && superseded->epoch < std::numeric_limits<int64_t>::max()) {
      link.epoch = std::max(link.epoch, superseded->epoch + 1);
    }
    return base::MakeError(base::ErrorCode::kPermissionDenied,
                           "a coordinator of the newer epoch " + std::to_string(superseded->epoch) +
                               " has taken the worker over");
  }
  if (worker_id.empty()) {
    return base::MakeError(base::ErrorCode::kInvalidQuery, "an event came before hello");
  }
  if (const auto* beat = std::get_if<protocol::Heartbeat>(&message)) Note(link, *beat);
  if (const auto* started = std::get_if<protocol::Started>(&message)) events_.started(*started);
  if (const auto* finished = std::get_if<protocol::Finished>(&message)) {
    events_.finished(worker_id, *finished);
  }
  return arrow::Status::OK();
}

arrow::Status Membership::Welcome(Link& link, const protocol::Hello& hello) {
  {
    base::MutexLock lock(mutex_);
    // A worker that came back at another address before its old one was found dead waits for that.
    if (IsUpElsewhere(hello.worker_id, &link)) {
      return base::MakeError(base::ErrorCode::kInvalidQuery,
                             "the worker id " + hello.worker_id +
                                 " is taken by another address; give each worker its own --id or "
                                 "--cache-dir, and list each once");
    }
    link.info.hello = hello;
    link.info.heartbeat = {};
    link.info.heartbeat.not_ready_why = kNotYetReady;
    link.info.clock_offset_ms = hello.clock_ms - clock_.MonotonicMs();
    link.info.last_error.clear();
    link.info.up = true;
    link.welcomed = true;
    up_[hello.worker_id] = &link;
  }
  events_.up(hello);
  return arrow::Status::OK();
}

void Membership::Note(Link& link, const protocol::Heartbeat& beat) {
  bool drains = false;
  bool readiness_changed = false;
  std::string worker_id;
  {
    base::MutexLock lock(mutex_);
    readiness_changed = beat.ready != link.info.heartbeat.ready ||
                        beat.not_ready_why != link.info.heartbeat.not_ready_why;
    link.info.heartbeat = beat;
    link.info.clock_offset_ms = beat.clock_ms - clock_.MonotonicMs();
    drains = beat.draining && !link.draining;
    link.draining = beat.draining;
    worker_id = link.info.hello.worker_id;
  }
  if (drains) events_.draining(worker_id);
  if (readiness_changed) events_.ready(worker_id, beat.ready, beat.not_ready_why);
}

void Membership::WatchForSilence() {
  int64_t ping_at_ms = clock_.MonotonicMs() + kPingMs;
  while (Pause(kWatchMs)) {
    Reap();
    bool pings = false;
    std::vector<std::shared_ptr<Stream>> silent;
    std::vector<std::pair<std::shared_ptr<Stream>, protocol::Session*>> alive;
    {
      base::MutexLock lock(mutex_);
      const int64_t now_ms = clock_.MonotonicMs();
      pings = now_ms >= ping_at_ms;
      if (pings) ping_at_ms = now_ms + kPingMs;
      for (const auto& [location, link] : links_) {
        if (link->stream == nullptr) continue;
        if (now_ms - link->info.last_event_ms >= kSilenceMs) {
          silent.push_back(link->stream);
        } else if (pings && link->stream->session != nullptr) {
          alive.emplace_back(link->stream, link->stream->session.get());
        }
      }
    }
    for (const auto& stream : silent) stream->channel->Cancel();
    // A failed ping needs no answer here: the stream's receiver hears of it too.
    for (const auto& [stream, session] : alive) (void)session->Send(protocol::Ping{});
    if (pings) events_.tick();
  }
}

bool Membership::Pause(int64_t ms) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
  base::MutexLock lock(mutex_);
  while (!stopped_ && stop_changed_.WaitUntil(mutex_, until)) {
  }
  return !stopped_;
}

bool Membership::IsUpElsewhere(const std::string& worker_id, const Link* here) const {
  const auto at = up_.find(worker_id);
  return at != up_.end() && at->second != here;
}

bool Membership::ForgetIfAway(const std::shared_ptr<Link>& link) {
  base::MutexLock lock(mutex_);
  if (link->announced_id.empty() || stopped_) return false;
  const bool away = clock_.MonotonicMs() - link->away_since_ms >= kForgetMs;
  if (!away && !IsUpElsewhere(link->announced_id, link.get())) return false;
  links_.erase(link->location);
  forgotten_.push_back(std::move(link->thread));
  return true;
}

std::optional<WorkerInfo> Membership::Find(const std::string& worker_id) const {
  base::MutexLock lock(mutex_);
  const auto at = up_.find(worker_id);
  if (at == up_.end()) return std::nullopt;
  return at->second->info;
}

size_t Membership::threads() const {
  base::MutexLock lock(mutex_);
  return links_.size() + forgotten_.size() + (watcher_.joinable() ? 1 : 0);
}

void Membership::Reap() {
  std::vector<std::thread> forgotten;
  {
    base::MutexLock lock(mutex_);
    forgotten.swap(forgotten_);
  }
  for (std::thread& thread : forgotten) thread.join();
}

std::vector<WorkerInfo> Membership::All() const {
  std::vector<WorkerInfo> all;
  base::MutexLock lock(mutex_);
  for (const auto& [location, link] : links_) all.push_back(link->info);
  std::sort(all.begin(), all.end(),
            [](const WorkerInfo& a, const WorkerInfo& b) { return a.location < b.location; });
  return all;
}

void Membership::Stop() {
  std::vector<std::thread> threads;
  {
    base::MutexLock lock(mutex_);
    stopped_ = true;
    for (const auto& [location, link] : links_) {
      if (link->stream != nullptr) link->stream->channel->Cancel();
      if (link->thread.joinable()) threads.push_back(std::move(link->thread));
    }
    if (watcher_.joinable()) threads.push_back(std::move(watcher_));
  }
  stop_changed_.NotifyAll();
  for (std::thread& thread : threads) thread.join();
  Reap();
}

}  // namespace eider::coordinator
