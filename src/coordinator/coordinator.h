// The coordinator: receive -> plan -> schedule -> claim -> relay, or hand over.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "config/limits.h"
#include "coordinator/cache_totals.h"
#include "coordinator/dispatch.h"
#include "coordinator/executor.h"
#include "coordinator/handover.h"
#include "coordinator/history.h"
#include "coordinator/membership.h"
#include "coordinator/notices.h"
#include "coordinator/orders.h"
#include "coordinator/plan.h"
#include "coordinator/relay.h"
#include "coordinator/service.h"
#include "metrics/registry.h"
#include "protocol/cluster_key.h"

namespace eider::coordinator {

// Thread-safe.
class Coordinator final : public Service {
 public:
  struct Options {
    std::vector<std::string> workers;  // "grpc://host:port" of those listed
    schedule::Options schedule;
    int64_t default_timeout_ms = 3'600'000;
    // Results streamed through at one time: past it a task goes back in line.
    int max_relays = config::kMaxRelays;
    // How long a result whose worker has finished it may bring nothing before the worker's
    // connection counts as lost.
    int64_t finished_grace_ms = config::kFinishedGraceMs;
    // How long after a query's deadline its worker may take to say so.
    int64_t deadline_grace_ms = 500;
    Notices::Options notices;
    // Where one line for each thing worth telling goes: (is it a warning, the line).
    std::function<void(bool, const std::string&)> log = [](bool, const std::string&) {};
    // Called once for each query that has ended, with its figures where its worker has told them.
    std::function<void(const QueryRecord&)> on_query_end;
  };

  static arrow::Result<std::unique_ptr<Coordinator>> Start(Options options,
                                                           WorkerClientFactory factory,
                                                           protocol::ClusterKey key,
                                                           const base::Clock& clock);
  ~Coordinator() override;

  std::shared_ptr<Submitted> Relay(protocol::Query query,
                                   std::shared_ptr<ResultSink> sink) override;
  arrow::Result<std::optional<ClaimInfo>> Hand(protocol::Query query, int64_t wait_ms,
                                               std::string* query_id) override;
  arrow::Result<std::optional<ClaimInfo>> WaitForClaim(const std::string& query_id,
                                                       int64_t wait_ms) override;
  arrow::Result<std::string> Explain(protocol::Query query) const override;
  arrow::Result<int> ClearCache(const std::string& location) override;
  arrow::Status Announce(std::string_view sealed) override;
  arrow::Status CancelQuery(const std::string& query_id) override;
  std::string WorkersJson() const override;
  std::string QueriesJson() const override;
  arrow::Result<std::string> QueryJson(const std::string& query_id, int64_t wait_ms) override;
  arrow::Status Ready() const override;
  std::string Metrics() const override;

  // Where a front door counts what it answers. Thread-safe.
  metrics::Registry& metrics() { return metrics_; }

  // Refuses new queries from now on and waits until the last running one has ended; false when some
  // still run after `timeout_ms`.
  bool Drain(int64_t timeout_ms) EIDER_EXCLUDES(mutex_);
  // Cancels what runs, leaves the workers, ends every thread. Idempotent. REQUIRES: the sinks no
  // longer block (the HTTP server has stopped).
  void Stop() EIDER_EXCLUDES(mutex_);

 private:
  Coordinator(Options options, WorkerClientFactory factory, protocol::ClusterKey key,
              const base::Clock& clock);

  arrow::Status Receive(protocol::Query* query, bool direct) EIDER_EXCLUDES(mutex_);
  // Errors: OVERLOADED, whatever the query is like, where nothing new finds room; else PlanQuery's.
  arrow::Result<Plan> PlanUnlessFull(const protocol::Query& query) const EIDER_EXCLUDES(mutex_);
  schedule::Task TaskOf(const protocol::Query& query, const Plan& plan) const;
  // What the client asks for is stronger, but for reading where the schedule reads past the cache.
  static protocol::CacheMode ModeOf(protocol::CacheMode asked, protocol::CacheMode claimed);
  std::string MakeTicket(const protocol::Query& query, const schedule::Claim& claim,
                         const WorkerInfo& worker);
  arrow::Result<ClaimInfo> Endpoint(const protocol::Query& query, const schedule::Claim& claim)
      EIDER_EXCLUDES(mutex_);
  void NoteClaim(const protocol::Query& query, const schedule::Claim& claim,
                 const WorkerInfo& worker);
  void NoteEnd(const std::string& query_id) EIDER_EXCLUDES(mutex_);
  MembershipEvents Events();
  void OnWorkerDown(const std::string& worker_id) EIDER_EXCLUDES(mutex_);
  // Each second.
  void OnTick() EIDER_EXCLUDES(mutex_);
  void OnFinished(const std::string& worker_id, const protocol::Finished& finished)
      EIDER_EXCLUDES(mutex_);
  void LogEnd(const std::string& query_id);
  arrow::Status Send(protocol::Command command, const WorkerInfo& worker);
  void StopAttempt(const schedule::Stop& stop);

  const Options options_;
  const protocol::ClusterKey key_;
  const base::Clock& clock_;

  mutable base::Mutex mutex_;
  base::CondVar active_changed_;
  bool draining_ EIDER_GUARDED_BY(mutex_) = false;
  bool stopped_ EIDER_GUARDED_BY(mutex_) = false;
  std::unordered_set<std::string> active_ EIDER_GUARDED_BY(mutex_);  // received and not ended
  // Queries that have not ended, by id.
  std::unordered_map<std::string, std::shared_ptr<RelayedQuery>> relayed_ EIDER_GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::shared_ptr<HandedQuery>> handed_ EIDER_GUARDED_BY(mutex_);

  // Each thread-safe by itself. Destroyed from the bottom: threads before what they use.
  mutable metrics::Registry metrics_;
  History history_;
  Orders orders_;
  Dispatcher dispatcher_;
  Membership membership_;
  Notices notices_;
  mutable CacheTotals cache_totals_;
  Executor relays_;
  RelayContext relay_context_;
};

}  // namespace eider::coordinator
