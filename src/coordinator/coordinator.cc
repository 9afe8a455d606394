#include "coordinator/coordinator.h"

#include <chrono>
#include <utility>

#include "base/error.h"
#include "base/random.h"

namespace eider::coordinator {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr int64_t kCommandTimeoutMs = 5'000;  // for a worker's answer to an order
constexpr std::string_view kScheme = "grpc://";

std::string QueryIdOf(const protocol::AttemptId& attempt) {
  return attempt.task_id.substr(0, attempt.task_id.rfind('.'));
}

}  // namespace

arrow::Result<std::unique_ptr<Coordinator>> Coordinator::Start(Options options,
                                                               WorkerClientFactory factory,
                                                               protocol::ClusterKey key,
                                                               const base::Clock& clock) {
  const std::vector<std::string> workers = options.workers;
  std::unique_ptr<Coordinator> coordinator(
      new Coordinator(std::move(options), std::move(factory), std::move(key), clock));
  for (const std::string& location : workers) {
    ARROW_RETURN_NOT_OK(coordinator->membership_.Add(location));
  }
  return coordinator;
}

Coordinator::Coordinator(Options options, WorkerClientFactory factory, protocol::ClusterKey key,
                         const base::Clock& clock)
    : options_(std::move(options)),
      key_(std::move(key)),
      clock_(clock),
      history_(clock),
      orders_(config::kMaxOrders, config::kMaxOrdersPerWorker),
      dispatcher_(options_.schedule, clock,
                  [this](const schedule::Stop& stop) { StopAttempt(stop); }),
      membership_(std::move(factory), key_, base::RandomHex(8), clock.WallMs(), clock, Events()),
      notices_(
          options_.notices, membership_, orders_,
          [this](const WorkerInfo& worker, const std::vector<std::string>& urls) {
            protocol::Command command;
            command.kind = protocol::Command::Kind::kInvalidate;
            command.reason = "written on another worker";
            command.urls = urls;
            return Send(std::move(command), worker);
          },
          options_.log),
      relays_(options_.max_relays),
      relay_context_{
          .dispatcher = dispatcher_,
          .membership = membership_,
          .history = history_,
          .executor = relays_,
          .clock = clock_,
          .finished_grace_ms = options_.finished_grace_ms,
          .deadline_grace_ms = options_.deadline_grace_ms,
          .make_ticket = [this](
                             const protocol::Query& query, const schedule::Claim& claim,
                             const WorkerInfo& worker) { return MakeTicket(query, claim, worker); },
          .written = [this](const std::string& query_id,
                            const std::string& worker_id) { notices_.Wait(query_id, worker_id); },
          .ended = [this](const std::string& query_id) { NoteEnd(query_id); }} {}

Coordinator::~Coordinator() { Stop(); }

bool Coordinator::Drain(int64_t timeout_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  base::MutexLock lock(mutex_);
  draining_ = true;
  while (!active_.empty()) {
    if (!active_changed_.WaitUntil(mutex_, deadline)) return active_.empty();
  }
  return true;
}

void Coordinator::Stop() {
  std::vector<std::shared_ptr<TaskListener>> running;
  {
    base::MutexLock lock(mutex_);
    draining_ = true;
    if (std::exchange(stopped_, true)) return;
    for (const auto& [id, query] : relayed_) running.push_back(query);
    for (const auto& [id, query] : handed_) running.push_back(query);
  }
  // Past the scheduler, which has forgotten those whose worker has finished but whose client reads.
  const base::ErrorInfo stops{.code = ErrorCode::kCancelled, .message = "the coordinator stops"};
  for (const auto& query : running) query->OnReject(stops);
  notices_.Stop();
  relays_.Stop();
  orders_.Stop();
  membership_.Stop();
}

MembershipEvents Coordinator::Events() {
  return {
      .up =
          [this](const protocol::Hello& hello) {
            dispatcher_.Handle(schedule::WorkerUp{hello.worker_id, hello.slots, hello.running});
            // Its first heartbeat says otherwise.
            dispatcher_.Handle(schedule::WorkerReady{hello.worker_id, false, kNotYetReady});
            options_.log(false, "worker " + hello.worker_id + " is up: " +
                                    std::to_string(hello.slots) + " slots, boot " + hello.boot_id);
            notices_.OnWorkerUp(hello.worker_id);
          },
      .down = [this](const std::string& worker_id) { OnWorkerDown(worker_id); },
      .draining =
          [this](const std::string& worker_id) {
            options_.log(false, "worker " + worker_id + " drains");
            dispatcher_.Handle(schedule::WorkerDraining{worker_id});
          },
      .ready =
          [this](const std::string& worker_id, bool ready, const std::string& why) {
            dispatcher_.Handle(schedule::WorkerReady{worker_id, ready, why});
            options_.log(!ready,
                         "worker " + worker_id + (ready ? " is ready" : " is not ready: " + why));
          },
      .started =
          [this](const protocol::Started& started) {
            dispatcher_.Handle(schedule::Started{started.attempt});
          },
      .finished = [this](const std::string& worker_id,
                         const protocol::Finished& finished) { OnFinished(worker_id, finished); },
      .tick = [this] { OnTick(); }};
}

void Coordinator::OnWorkerDown(const std::string& worker_id) {
  options_.log(true, "worker " + worker_id + " is down");
  dispatcher_.Handle(schedule::WorkerDown{worker_id});
  notices_.OnWorkerDown(worker_id);
  std::vector<std::shared_ptr<RelayedQuery>> relayed;
  {
    base::MutexLock lock(mutex_);
    for (const auto& [id, query] : relayed_) relayed.push_back(query);
  }
  for (const auto& query : relayed) query->OnWorkerDown(worker_id);
  // Handed queries have no relay to say what became of them: a worker that comes back with one goes
  // on with it, else the scheduler rejects it.
}

void Coordinator::OnFinished(const std::string& worker_id, const protocol::Finished& finished) {
  const std::string id = QueryIdOf(finished.attempt);
  notices_.Written(id, worker_id, finished.written);
  dispatcher_.Handle(schedule::Finished{.attempt = finished.attempt,
                                        .run_us = finished.figures.run_us,
                                        .bytes = finished.figures.asked_bytes});
  bool direct = false;
  history_.Update(id, [&](QueryRecord& record) {
    const bool current =
        !record.attempts.empty() && record.attempts.back().attempt == finished.attempt.attempt;
    if (!current) return;
    record.figures = finished.figures;
    record.reported = true;
    direct = record.direct && !record.ended;
  });
  std::shared_ptr<RelayedQuery> relayed;
  {
    base::MutexLock lock(mutex_);
    if (const auto at = relayed_.find(id); at != relayed_.end()) relayed = at->second;
  }
  if (relayed != nullptr) relayed->OnWorkerFinished(finished.attempt, finished.figures);
  const protocol::Figures& figures = finished.figures;
  metrics_.TaskRan(figures.run_us);
  metrics_.Relayed(figures.rows, figures.bytes);
  metrics_.Read({.opens = figures.s3_opens,
                 .requests = figures.s3_requests,
                 .list_requests = figures.s3_list_requests,
                 .s3_bytes = figures.s3_bytes,
                 .cache_bytes = figures.cache_bytes,
                 .cache_hits = figures.cache_hits,
                 .cache_misses = figures.cache_misses,
                 .shared_fetches = figures.shared_fetches,
                 .retries = figures.retries,
                 .hedges = figures.hedges,
                 .cost_nanousd = figures.cost_nanousd});
  if (!direct) return LogEnd(id);
  history_.End(id, finished.error);
  NoteEnd(id);
}

void Coordinator::OnTick() {
  std::vector<std::shared_ptr<RelayedQuery>> relayed;
  std::vector<std::string> unwanted;
  {
    base::MutexLock lock(mutex_);
    for (const auto& [id, query] : relayed_) relayed.push_back(query);
    for (const auto& [id, query] : handed_) {
      if (query->Unwanted(options_.schedule.claim_expiry_ms)) unwanted.push_back(id);
    }
  }
  for (const auto& query : relayed) query->Check();
  for (const std::string& id : unwanted) (void)CancelQuery(id);
}

arrow::Status Coordinator::Announce(std::string_view sealed) {
  ARROW_ASSIGN_OR_RAISE(const protocol::Announcement announced,
                        protocol::OpenAnnouncement(sealed, key_));
  if (!announced.location.starts_with(kScheme)) {
    return MakeError(ErrorCode::kInvalidQuery,
                     "the worker's location is `" + announced.location + "`, not grpc://host:port");
  }
  return membership_.Add(announced.location, announced.worker_id);
}

arrow::Status Coordinator::Send(protocol::Command command, const WorkerInfo& worker) {
  command.worker_id = worker.hello.worker_id;
  command.boot_id = worker.hello.boot_id;
  command.expires_at_ms = clock_.MonotonicMs() + worker.clock_offset_ms + kCommandTimeoutMs;
  command.nonce = base::RandomHex(16);
  return worker.client->Send(protocol::SealCommand(command, key_), kCommandTimeoutMs);
}

void Coordinator::StopAttempt(const schedule::Stop& stop) {
  // One that was never ours runs for a client of the coordinator before us: who takes it straight
  // from the worker is still there, and of a relay the worker itself notices that it is gone.
  if (!history_.Find(QueryIdOf(stop.attempt))) return;
  orders_.Post(stop.worker_id, [this, stop] {
    const std::optional<WorkerInfo> worker = membership_.Find(stop.worker_id);
    if (!worker) return;
    protocol::Command command;
    command.kind = protocol::Command::Kind::kCancel;
    command.attempt = stop.attempt;
    command.reason = stop.reason;
    const arrow::Status sent = Send(std::move(command), *worker);
    if (!sent.ok()) {
      options_.log(true, "could not stop " + stop.attempt.task_id + " on " + stop.worker_id + ": " +
                             sent.message());
    }
  });
}

arrow::Result<int> Coordinator::ClearCache(const std::string& location) {
  std::vector<WorkerInfo> chosen;
  for (WorkerInfo& worker : membership_.All()) {
    if (location.empty() ? worker.up : worker.location == location) {
      chosen.push_back(std::move(worker));
    }
  }
  if (chosen.empty() && !location.empty()) {
    return MakeError(ErrorCode::kNotFound,
                     "there is no worker at " + location + "; see GET /v1/workers");
  }
  for (const WorkerInfo& worker : chosen) {
    if (!worker.up) {
      return MakeError(ErrorCode::kWorkerLost,
                       "worker " + worker.location + " is down: " + worker.last_error);
    }
    protocol::Command command;
    command.kind = protocol::Command::Kind::kClearCache;
    command.reason = "by request";
    ARROW_RETURN_NOT_OK(Send(std::move(command), worker));
  }
  return static_cast<int>(chosen.size());
}

arrow::Status Coordinator::Ready() const {
  std::string why = "no worker is listed, and none has announced itself";
  for (const WorkerInfo& worker : membership_.All()) {
    if (worker.up && worker.heartbeat.ready) return arrow::Status::OK();
    why = "worker " + worker.location + ": " +
          (worker.up ? worker.heartbeat.not_ready_why : worker.last_error);
  }
  base::ErrorInfo info{.code = ErrorCode::kOverloaded,
                       .message = "no worker is ready; " + why,
                       .retryable = true,
                       .retry_after_ms = 1'000};
  return MakeError(std::move(info));
}

}  // namespace eider::coordinator
