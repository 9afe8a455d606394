#include "metrics/registry.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>

namespace eider::metrics {
namespace {

using prometheus::Histogram;

// From what affinity is to save (a millisecond) to the longest wait that is allowed.
const Histogram::BucketBoundaries kSeconds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                              0.5,   1,      2.5,   5,    10,    30,   60,  300};

constexpr std::array<std::string_view, 5> kKinds = {"home", "overflow", "stolen", "moved", "retry"};

prometheus::Family<prometheus::Counter>& Counters(prometheus::Registry& registry, const char* name,
                                                  const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}
prometheus::Family<prometheus::Gauge>& Gauges(prometheus::Registry& registry, const char* name,
                                              const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}
prometheus::Family<Histogram>& Histograms(prometheus::Registry& registry, const char* name,
                                          const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

}  // namespace

// A family without labels gets its one metric when it is first touched.
struct Registry::Families {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& queries =
      Counters(registry, "eider_queries_total", "Queries that ended, by outcome");
  prometheus::Family<Histogram>& queue_wait = Histograms(
      registry, "eider_queue_wait_seconds", "Time from a query's submission to its claim");
  prometheus::Family<Histogram>& run = Histograms(
      registry, "eider_run_seconds", "Time from a task's admission to the end of its stream");
  prometheus::Family<prometheus::Counter>& claims =
      Counters(registry, "eider_claims_total", "Claims by the scheduler's kind and affinity rank");
  prometheus::Family<prometheus::Counter>& rows =
      Counters(registry, "eider_relayed_rows_total", "Rows of finished queries");
  prometheus::Family<prometheus::Counter>& bytes =
      Counters(registry, "eider_relayed_bytes_total", "Bytes of Arrow data of finished queries");
  prometheus::Family<prometheus::Gauge>& workers_up =
      Gauges(registry, "eider_workers_up", "Workers that are attached");
  prometheus::Family<prometheus::Gauge>& held_back =
      Gauges(registry, "eider_workers_held_back", "Workers that get tasks only where no other can");
  prometheus::Family<prometheus::Gauge>& hot_keys =
      Gauges(registry, "eider_hot_keys", "Keys that have earned another home");
  prometheus::Family<prometheus::Gauge>& steal_after = Gauges(
      registry, "eider_steal_after_seconds", "Time that a task waits before it may be stolen");
  prometheus::Family<prometheus::Gauge>& waiting =
      Gauges(registry, "eider_tasks_waiting", "Tasks that wait in a line");
  prometheus::Family<prometheus::Gauge>& running =
      Gauges(registry, "eider_tasks_running", "Tasks that run");
  prometheus::Family<prometheus::Gauge>& stopping =
      Gauges(registry, "eider_tasks_stopping", "Tasks told to stop that have not ended");
  prometheus::Family<prometheus::Gauge>& blocked =
      Gauges(registry, "eider_streams_blocked", "Threads in writes to clients that do not read");
  prometheus::Family<prometheus::Counter>& s3_opens =
      Counters(registry, "eider_s3_opens_total", "S3 objects opened");
  prometheus::Family<prometheus::Counter>& s3_requests =
      Counters(registry, "eider_s3_requests_total", "Requests sent to S3");
  prometheus::Family<prometheus::Counter>& s3_lists =
      Counters(registry, "eider_s3_list_requests_total", "LIST requests sent to S3");
  prometheus::Family<prometheus::Counter>& s3_bytes =
      Counters(registry, "eider_s3_bytes_total", "Bytes read from S3");
  prometheus::Family<prometheus::Counter>& s3_retries =
      Counters(registry, "eider_s3_retries_total", "Requests sent again after a failure");
  prometheus::Family<prometheus::Counter>& s3_hedges =
      Counters(registry, "eider_s3_hedges_total", "Second GETs sent because the first was slow");
  prometheus::Family<prometheus::Counter>& s3_cost =
      Counters(registry, "eider_s3_cost_dollars_total", "Estimate of what S3 charges");
  prometheus::Family<prometheus::Counter>& cache_bytes = Counters(
      registry, "eider_cache_bytes_total", "Bytes that reads of S3 files took from the cache");
  prometheus::Family<prometheus::Counter>& cache_reads = Counters(
      registry, "eider_cache_reads_total", "Reads of S3 files, by whether the cache had all of it");
  prometheus::Family<prometheus::Counter>& shared_fetches = Counters(
      registry, "eider_shared_fetches_total", "Waits for a GET that another read had under way");
  prometheus::Family<prometheus::Gauge>& cache_used =
      Gauges(registry, "eider_cache_used_bytes", "Bytes in the disk caches");
  prometheus::Family<prometheus::Gauge>& cache_budget =
      Gauges(registry, "eider_cache_budget_bytes", "Bytes that the disk caches may hold");
  prometheus::Family<prometheus::Counter>& cache_evictions =
      Counters(registry, "eider_cache_evictions_total", "Blocks that made room for others");
  prometheus::Family<prometheus::Counter>& cache_corrupt =
      Counters(registry, "eider_cache_corrupt_pages_total", "Pages found damaged");
  prometheus::Family<prometheus::Counter>& cache_write_failures = Counters(
      registry, "eider_cache_write_failures_total", "Writes to the disk caches that failed");
  prometheus::Family<prometheus::Gauge>& cache_disabled =
      Gauges(registry, "eider_cache_disabled", "Workers whose disk cache has turned itself off");
  prometheus::Family<prometheus::Counter>& http =
      Counters(registry, "eider_http_requests_total", "HTTP requests answered, by call and status");
  prometheus::Family<Histogram>& http_refused =
      Histograms(registry, "eider_http_refused_seconds",
                 "Time from a request that was read to its answer of 503");
};

Registry::Registry() : families_(std::make_unique<Families>()) {}
Registry::~Registry() = default;

void Registry::QueryEnded(std::string_view code) {
  families_->queries.Add({{"code", std::string(code)}}).Increment();
}

void Registry::QueueWaited(int64_t wait_ms) {
  families_->queue_wait.Add({}, kSeconds).Observe(static_cast<double>(wait_ms) / 1e3);
}

void Registry::TaskRan(int64_t run_us) {
  families_->run.Add({}, kSeconds).Observe(static_cast<double>(run_us) / 1e6);
}

void Registry::Claimed(std::string_view reason) {
  ClaimLabels labels = ReadReason(reason);
  families_->claims.Add({{"kind", std::move(labels.kind)}, {"rank", std::move(labels.rank)}})
      .Increment();
}

void Registry::Relayed(int64_t rows, int64_t bytes) {
  families_->rows.Add({}).Increment(static_cast<double>(rows));
  families_->bytes.Add({}).Increment(static_cast<double>(bytes));
}

void Registry::SetWorkersUp(int workers, int held_back) {
  families_->workers_up.Add({}).Set(workers);
  families_->held_back.Add({}).Set(held_back);
}
void Registry::SetScheduling(int64_t hot_keys, int64_t steal_after_ms) {
  families_->hot_keys.Add({}).Set(static_cast<double>(hot_keys));
  families_->steal_after.Add({}).Set(static_cast<double>(steal_after_ms) / 1e3);
}
void Registry::SetTasksWaiting(int tasks) { families_->waiting.Add({}).Set(tasks); }
void Registry::SetTasksRunning(int tasks) { families_->running.Add({}).Set(tasks); }
void Registry::SetTasksStopping(int tasks) { families_->stopping.Add({}).Set(tasks); }
void Registry::SetStreamsBlocked(int streams) { families_->blocked.Add({}).Set(streams); }

void Registry::Read(const Reads& reads) {
  const auto add = [](prometheus::Family<prometheus::Counter>& family, int64_t amount) {
    family.Add({}).Increment(static_cast<double>(amount));
  };
  add(families_->s3_opens, reads.opens);
  add(families_->s3_requests, reads.requests);
  add(families_->s3_lists, reads.list_requests);
  add(families_->s3_bytes, reads.s3_bytes);
  add(families_->s3_retries, reads.retries);
  add(families_->s3_hedges, reads.hedges);
  add(families_->cache_bytes, reads.cache_bytes);
  add(families_->shared_fetches, reads.shared_fetches);
  families_->s3_cost.Add({}).Increment(static_cast<double>(reads.cost_nanousd) / 1e9);
  families_->cache_reads.Add({{"outcome", "hit"}}).Increment(static_cast<double>(reads.cache_hits));
  families_->cache_reads.Add({{"outcome", "miss"}})
      .Increment(static_cast<double>(reads.cache_misses));
}

void Registry::SetCache(const CacheState& state) {
  families_->cache_used.Add({}).Set(static_cast<double>(state.used_bytes));
  families_->cache_budget.Add({}).Set(static_cast<double>(state.budget_bytes));
  families_->cache_disabled.Add({}).Set(static_cast<double>(state.disabled));
}

void Registry::CacheChanged(int64_t evictions, int64_t corrupt_pages, int64_t write_failures) {
  families_->cache_evictions.Add({}).Increment(static_cast<double>(evictions));
  families_->cache_corrupt.Add({}).Increment(static_cast<double>(corrupt_pages));
  families_->cache_write_failures.Add({}).Increment(static_cast<double>(write_failures));
}

void Registry::HttpAnswered(std::string_view call, int status, int64_t took_us) {
  constexpr int kUnavailable = 503;
  if (status == kUnavailable) {
    families_->http_refused.Add({{"call", std::string(call)}}, kSeconds)
        .Observe(static_cast<double>(took_us) / 1e6);
  }
  families_->http.Add({{"call", std::string(call)}, {"status", std::to_string(status)}})
      .Increment();
}

std::string Registry::Text() const {
  return prometheus::TextSerializer().Serialize(families_->registry.Collect());
}

ClaimLabels ReadReason(std::string_view reason) {
  const std::string_view kind = reason.substr(0, reason.find(' '));
  ClaimLabels labels{.kind = "other", .rank = ""};
  if (std::ranges::find(kKinds, kind) != kKinds.end()) labels.kind = kind;
  constexpr std::string_view kRank = " rank ";
  const size_t at = reason.find(kRank);
  if (at == std::string_view::npos) return labels;
  std::string_view rank = reason.substr(at + kRank.size());
  rank = rank.substr(0, rank.find_first_not_of("0123456789"));
  if (!rank.empty()) labels.rank = rank.size() == 1 && rank[0] < '4' ? std::string(rank) : "4+";
  return labels;
}

}  // namespace eider::metrics
