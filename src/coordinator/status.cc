// What the status calls answer.
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "coordinator/coordinator.h"

namespace eider::coordinator {
namespace {

constexpr size_t kMaxListed = 1'000;  // queries in one answer

using nlohmann::json;

// SQL and messages may hold bytes that are no UTF-8.
std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json ErrorJson(const std::optional<base::ErrorInfo>& error) {
  if (!error) return nullptr;
  return {{"error", error->message},
          {"code", base::ErrorName(error->code)},
          {"retryable", error->retryable}};
}

// For how long attempts have been told to stop, by query and attempt: as their workers last said.
using Stopping = std::map<std::pair<std::string, int>, int64_t>;

Stopping StoppingOn(const std::vector<WorkerInfo>& workers) {
  Stopping stopping;
  for (const WorkerInfo& worker : workers) {
    if (!worker.up) continue;
    for (const auto& [attempt, for_ms] : worker.heartbeat.stopping) {
      const std::string query_id = attempt.task_id.substr(0, attempt.task_id.rfind('.'));
      stopping[{query_id, attempt.attempt}] = for_ms;
    }
  }
  return stopping;
}

// null for all but a query whose worker is still in a call that does not look at its interrupt: its
// client may have had its answer already, but it has its slot.
json StoppingJson(const QueryRecord& record, const Stopping& stopping) {
  if (record.reported || record.attempts.empty()) return nullptr;
  const auto at = stopping.find({record.id, record.attempts.back().attempt});
  return at == stopping.end() ? json(nullptr) : json(at->second);
}

json RecordJson(const QueryRecord& record, const Stopping& stopping) {
  json attempts = json::array();
  for (const QueryRecord::Attempt& attempt : record.attempts) {
    attempts.push_back(
        {{"attempt", attempt.attempt}, {"worker", attempt.worker_id}, {"reason", attempt.reason}});
  }
  const bool claimed = !record.attempts.empty();
  const protocol::Figures& figures = record.figures;
  return {{"id", record.id},
          {"state", record.state()},
          {"stopping_ms", StoppingJson(record, stopping)},
          {"sql", record.sql},
          {"client", record.client},
          {"delivery", record.direct ? "direct" : "relay"},
          {"worker", claimed ? record.attempts.back().worker_id : ""},
          {"location", record.location},
          {"reason", claimed ? record.attempts.back().reason : ""},
          {"attempt", claimed ? record.attempts.back().attempt : 0},
          {"attempts", std::move(attempts)},
          {"submitted_at_ms", record.submitted_wall_ms},
          {"queue_ms", record.queue_ms},
          {"run_ms", static_cast<double>(figures.run_us) / 1000},
          {"first_batch_ms", static_cast<double>(figures.first_batch_us) / 1000},
          {"rows", figures.rows},
          {"bytes", figures.bytes},
          {"batches", figures.batches},
          {"s3_opens", figures.s3_opens},
          {"s3_requests", figures.s3_requests},
          {"s3_list_requests", figures.s3_list_requests},
          {"s3_bytes", figures.s3_bytes},
          {"asked_bytes", figures.asked_bytes},
          {"cache_bytes", figures.cache_bytes},
          {"cache_hits", figures.cache_hits},
          {"cache_misses", figures.cache_misses},
          {"shared_fetches", figures.shared_fetches},
          {"retries", figures.retries},
          {"hedges", figures.hedges},
          {"cost_usd", static_cast<double>(figures.cost_nanousd) / 1e9},
          {"error", ErrorJson(record.error)}};
}

json CacheJson(const protocol::CacheFigures& cache) {
  return {{"budget_bytes", cache.budget_bytes},
          {"used_bytes", cache.used_bytes},
          {"blocks", cache.blocks},
          {"objects", cache.objects},
          {"evictions", cache.evictions},
          {"corrupt_pages", cache.corrupt_pages},
          {"write_failures", cache.write_failures},
          {"disabled_why", cache.disabled_why},
          {"hits", cache.hits},
          {"misses", cache.misses}};
}

json RouteWorkersJson(const schedule::Route& route) {
  json workers = json::array();
  for (const schedule::Route::Worker& worker : route.workers) {
    workers.push_back({{"id", worker.worker_id},
                       {"rank", worker.rank},
                       {"home", worker.home},
                       {"slots", worker.slots},
                       {"occupied", worker.occupied},
                       {"waiting", worker.waiting},
                       {"load_ms", worker.load_ms},
                       {"bound_ms", worker.bound_ms},  // null where it is infinite
                       {"passed_over", worker.passed_over}});
  }
  return workers;
}

}  // namespace

std::string Coordinator::WorkersJson() const {
  std::unordered_map<std::string, schedule::WorkerView> views;
  for (const schedule::WorkerView& view : dispatcher_.workers()) views[view.worker_id] = view;
  json workers = json::array();
  for (const WorkerInfo& worker : membership_.All()) {
    const protocol::Hello& hello = worker.hello;
    const protocol::Heartbeat& beat = worker.heartbeat;
    const schedule::WorkerView& view = views[hello.worker_id];
    const char* state = !worker.up ? "down" : beat.draining ? "draining" : "up";
    workers.push_back({{"id", hello.worker_id},
                       {"location", worker.location},
                       {"state", state},
                       {"ready", worker.up && beat.ready},
                       {"not_ready_why", worker.up ? beat.not_ready_why : worker.last_error},
                       {"boot_id", hello.boot_id},
                       {"version", hello.version},
                       {"slots", hello.slots},
                       {"occupied", view.occupied},
                       {"waiting", view.waiting},
                       {"load_ms", view.load_ms},
                       {"held_back", view.held_back},
                       {"arriving", view.arriving},
                       {"late", view.late},
                       {"slow", view.slow},
                       {"stopping", worker.up ? beat.stopping.size() : 0},
                       {"blocked_streams", worker.up ? beat.blocked_streams : 0},
                       {"threads", hello.threads},
                       {"memory_limit_bytes", hello.memory_limit_bytes},
                       {"memory_used_bytes", beat.memory_used_bytes},
                       {"cache_bytes", beat.cache_bytes},
                       {"cache", CacheJson(beat.cache)},
                       {"last_event_ms", clock_.MonotonicMs() - worker.last_event_ms}});
  }
  return Dump({{"workers", std::move(workers)}});
}

arrow::Result<std::string> Coordinator::Explain(protocol::Query query) const {
  if (query.timeout_ms == 0) query.timeout_ms = options_.default_timeout_ms;
  ARROW_ASSIGN_OR_RAISE(const Plan plan, PlanQuery(query));
  const schedule::Route route = dispatcher_.Explain(TaskOf(query, plan));
  json held_back = json::array();  // which the route does not look at while there are others
  for (const schedule::WorkerView& view : dispatcher_.workers()) {
    if (view.draining) held_back.push_back({{"id", view.worker_id}, {"why", "it drains"}});
    if (view.draining || view.held_back.empty()) continue;
    held_back.push_back({{"id", view.worker_id}, {"why", view.held_back}});
  }
  return Dump({{"key", route.key ? json(*route.key) : json(nullptr)},
               {"files", plan.files},
               {"writes", plan.writes},
               {"cost_ms", route.cost_ms},
               {"hot", route.hot},
               {"steal_after_ms", route.steal_after_ms},
               {"workers", RouteWorkersJson(route)},
               {"held_back", std::move(held_back)},
               {"worker", route.worker_id},
               {"waits", route.waits},
               {"cache_mode", protocol::CacheModeName(ModeOf(query.cache_mode, route.cache_mode))},
               {"reason", route.reason}});
}

std::string Coordinator::QueriesJson() const {
  json queries = json::array();
  const Stopping stopping = StoppingOn(membership_.All());
  for (const QueryRecord& record : history_.Newest(kMaxListed)) {
    queries.push_back(RecordJson(record, stopping));
  }
  return Dump({{"queries", std::move(queries)}});
}

arrow::Result<std::string> Coordinator::QueryJson(const std::string& query_id, int64_t wait_ms) {
  const auto record = history_.WaitForEnd(query_id, wait_ms);
  if (!record) {
    return base::MakeError(base::ErrorCode::kNotFound,
                           "there is no query " + query_id + ", or it is no longer remembered");
  }
  return Dump(RecordJson(*record, StoppingOn(membership_.All())));
}

std::string Coordinator::Metrics() const {
  int workers_up = 0;
  const std::vector<WorkerInfo> workers = membership_.All();
  int stopping = 0;
  int blocked = 0;
  for (const WorkerInfo& worker : workers) {
    if (!worker.up) continue;
    ++workers_up;
    stopping += static_cast<int>(worker.heartbeat.stopping.size());
    blocked += worker.heartbeat.blocked_streams;
  }
  const CacheTotals::Totals cache = cache_totals_.Take(workers);
  metrics_.SetCache(cache.state);
  metrics_.CacheChanged(cache.evictions, cache.corrupt_pages, cache.write_failures);
  int running = 0;
  int held_back = 0;
  for (const schedule::WorkerView& view : dispatcher_.workers()) {
    running += view.occupied;
    held_back += view.held_back.empty() ? 0 : 1;
  }
  metrics_.SetWorkersUp(workers_up, held_back);
  const schedule::Figures scheduling = dispatcher_.figures();
  metrics_.SetScheduling(scheduling.hot_keys, scheduling.steal_after_ms);
  metrics_.SetTasksWaiting(dispatcher_.waiting());
  metrics_.SetTasksRunning(running);
  metrics_.SetTasksStopping(stopping);
  metrics_.SetStreamsBlocked(blocked);
  return metrics_.Text();
}

}  // namespace eider::coordinator
