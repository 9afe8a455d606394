// One request's way through the coordinator: receive -> plan -> schedule -> claim -> relay.
#include "coordinator/service.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/random.h"
#include "coordinator/coordinator.h"

namespace eider::coordinator {
namespace {

using base::ErrorCode;
using base::MakeError;

// A query that was refused before it was scheduled: there is nothing to cancel.
class Refusal final : public Submitted {
 public:
  explicit Refusal(std::string query_id) : query_id_(std::move(query_id)) {}
  const std::string& query_id() const override { return query_id_; }
  void Cancel(const std::string&) override {}

 private:
  const std::string query_id_;
};

// Of what it does, whoever sends it.
std::string FingerprintOf(const protocol::Query& query) {
  const std::string text =
      query.sql + '\0' + protocol::EncodeJson(protocol::EncodeArguments(query.arguments));
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return std::to_string(hash.high64) + "." + std::to_string(hash.low64);
}

std::string TaskId(const std::string& query_id) { return query_id + ".0"; }

}  // namespace

std::shared_ptr<Submitted> Coordinator::Relay(protocol::Query query,
                                              std::shared_ptr<ResultSink> sink) {
  arrow::Status refused = Receive(&query, /*direct=*/false);
  if (refused.ok()) {
    const arrow::Result<Plan> plan = PlanUnlessFull(query);
    if (plan.ok()) {
      auto relayed =
          std::make_shared<RelayedQuery>(relay_context_, query, TaskId(query.id), std::move(sink));
      {
        base::MutexLock lock(mutex_);
        relayed_[query.id] = relayed;
      }
      if (query.write) notices_.Expect(query.id);
      // From here OnClaim relays, on a thread of its own; OnReject ends it.
      schedule::Task task = TaskOf(query, *plan);
      task.relayed = true;
      dispatcher_.Submit(std::move(task), relayed);
      return relayed;
    }
    refused = plan.status();
    history_.End(query.id, base::ErrorOf(refused));
    NoteEnd(query.id);
  }
  sink->Fail(refused);
  return std::make_shared<Refusal>(query.id);
}

arrow::Result<std::optional<ClaimInfo>> Coordinator::Hand(protocol::Query query, int64_t wait_ms,
                                                          std::string* query_id) {
  ARROW_RETURN_NOT_OK(Receive(&query, /*direct=*/true));
  *query_id = query.id;
  const arrow::Result<Plan> plan = PlanUnlessFull(query);
  if (!plan.ok()) {
    history_.End(query.id, base::ErrorOf(plan.status()));
    NoteEnd(query.id);
    return plan.status();
  }
  auto handed = std::make_shared<HandedQuery>(
      [this, query](const schedule::Claim& claim) { return Endpoint(query, claim); },
      [this, id = query.id](const base::ErrorInfo& why) {
        history_.Update(id, [](QueryRecord& record) { record.reported = true; });
        history_.End(id, why);
        NoteEnd(id);
      });
  {
    base::MutexLock lock(mutex_);
    handed_[query.id] = handed;
  }
  dispatcher_.Submit(TaskOf(query, *plan), handed);
  return handed->Wait(wait_ms);
}

arrow::Result<std::optional<ClaimInfo>> Coordinator::WaitForClaim(const std::string& query_id,
                                                                  int64_t wait_ms) {
  std::shared_ptr<HandedQuery> handed;
  {
    base::MutexLock lock(mutex_);
    if (const auto at = handed_.find(query_id); at != handed_.end()) handed = at->second;
  }
  if (handed != nullptr) return handed->Wait(wait_ms);
  const auto record = history_.Find(query_id);
  if (record && record->error) return MakeError(*record->error);
  return MakeError(ErrorCode::kNotFound, "no query " + query_id + " waits for a worker");
}

arrow::Status Coordinator::Receive(protocol::Query* query, bool direct) {
  query->id = base::RandomHex(8);
  if (query->timeout_ms == 0) query->timeout_ms = options_.default_timeout_ms;
  {
    base::MutexLock lock(mutex_);
    if (draining_) {
      base::ErrorInfo info{.code = ErrorCode::kOverloaded,
                           .message = "the coordinator is shutting down",
                           .retryable = true,
                           .retry_after_ms = 1'000};
      return MakeError(std::move(info));
    }
    active_.insert(query->id);
  }
  QueryRecord record;
  record.id = query->id;
  record.sql = query->sql;
  record.client = query->client;
  record.direct = direct;
  history_.Add(std::move(record));
  return arrow::Status::OK();
}

arrow::Result<Plan> Coordinator::PlanUnlessFull(const protocol::Query& query) const {
  // Reading the SQL is most of what a refusal would cost, and they come by the thousand.
  if (auto full = dispatcher_.RefusesAll(query.client, query.priority)) {
    return MakeError(*std::move(full));
  }
  return PlanQuery(query);
}

schedule::Task Coordinator::TaskOf(const protocol::Query& query, const Plan& plan) const {
  return {.id = TaskId(query.id),
          .key = plan.key,
          .client = query.client,
          .priority = query.priority,
          .write = plan.writes,
          .deadline_ms = clock_.MonotonicMs() + query.timeout_ms,
          .fingerprint = FingerprintOf(query)};
}

protocol::CacheMode Coordinator::ModeOf(protocol::CacheMode asked, protocol::CacheMode claimed) {
  using protocol::CacheMode;
  if (asked == CacheMode::kUse) return claimed;
  if (asked == CacheMode::kPassive && claimed == CacheMode::kOff) return claimed;
  return asked;
}

std::string Coordinator::MakeTicket(const protocol::Query& query, const schedule::Claim& claim,
                                    const WorkerInfo& worker) {
  NoteClaim(query, claim, worker);
  protocol::Ticket ticket;
  ticket.attempt = claim.attempt;
  ticket.query_id = query.id;
  ticket.worker_id = claim.worker_id;
  ticket.boot_id = worker.hello.boot_id;
  ticket.expires_at_ms =
      clock_.MonotonicMs() + worker.clock_offset_ms + options_.schedule.claim_expiry_ms;
  ticket.sql = query.sql;
  ticket.arguments = query.arguments;
  ticket.cache_mode = ModeOf(query.cache_mode, claim.cache_mode);
  ticket.write = query.write;
  // What is left of the query's time, which has been running while it waited in line.
  ticket.timeout_ms = std::max<int64_t>(1, query.timeout_ms - claim.queue_ms);
  ticket.trace_id = query.trace_id;
  return protocol::SealTicket(ticket, key_);
}

arrow::Result<ClaimInfo> Coordinator::Endpoint(const protocol::Query& query,
                                               const schedule::Claim& claim) {
  const std::optional<WorkerInfo> worker = membership_.Find(claim.worker_id);
  if (!worker) {
    dispatcher_.Handle(schedule::Finished{claim.attempt});
    const arrow::Status lost = MakeError(ErrorCode::kWorkerLost,
                                         "worker " + claim.worker_id + " was lost before it began");
    history_.End(query.id, base::ErrorOf(lost));
    NoteEnd(query.id);
    return lost;
  }
  return ClaimInfo{.query_id = query.id,
                   .worker_id = claim.worker_id,
                   .location = worker->location,
                   .reason = claim.reason,
                   .queue_ms = claim.queue_ms,
                   .ticket = MakeTicket(query, claim, *worker)};
}

void Coordinator::NoteClaim(const protocol::Query& query, const schedule::Claim& claim,
                            const WorkerInfo& worker) {
  history_.Update(query.id, [&](QueryRecord& record) {
    record.claimed = true;
    record.location = worker.location;
    record.queue_ms = claim.queue_ms;
    record.attempts.push_back({claim.attempt.attempt, claim.worker_id, claim.reason});
    record.reported = false;  // figures of an attempt before this one
    record.figures = {};
  });
  metrics_.QueueWaited(claim.queue_ms);
  metrics_.Claimed(claim.reason);
}

void Coordinator::NoteEnd(const std::string& query_id) {
  {
    base::MutexLock lock(mutex_);
    relayed_.erase(query_id);
    handed_.erase(query_id);
    if (active_.erase(query_id) == 0) return;
  }
  active_changed_.NotifyAll();
  notices_.Forget(query_id);
  LogEnd(query_id);
  const std::optional<QueryRecord> record = history_.Find(query_id);
  const bool failed = record && record->error;
  metrics_.QueryEnded(failed ? base::ErrorName(record->error->code) : "OK");
}

// Where it ended well its worker's report is on its way, and logged with it.
void Coordinator::LogEnd(const std::string& query_id) {
  std::optional<QueryRecord> ended;
  history_.Update(query_id, [&](QueryRecord& record) {
    if (record.logged || !record.ended || !(record.reported || record.error)) return;
    record.logged = true;
    ended = record;
  });
  if (ended && options_.on_query_end) options_.on_query_end(*ended);
}

arrow::Status Coordinator::CancelQuery(const std::string& query_id) {
  if (dispatcher_.Handle(schedule::Cancelled{TaskId(query_id), "it was cancelled by request"})) {
    return arrow::Status::OK();
  }
  const auto record = history_.Find(query_id);
  return MakeError(ErrorCode::kNotFound,
                   record ? "query " + query_id + " has ended" : "there is no query " + query_id);
}

}  // namespace eider::coordinator
