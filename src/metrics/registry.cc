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

constexpr std::array<std::string_view, 4> kKinds = {"home", "overflow", "stolen", "retry"};

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
  prometheus::Family<prometheus::Gauge>& waiting =
      Gauges(registry, "eider_tasks_waiting", "Tasks that wait in a line");
  prometheus::Family<prometheus::Gauge>& running =
      Gauges(registry, "eider_tasks_running", "Tasks that run");
  prometheus::Family<prometheus::Counter>& s3_opens =
      Counters(registry, "eider_s3_opens_total", "S3 objects opened");
  prometheus::Family<prometheus::Counter>& s3_reads =
      Counters(registry, "eider_s3_reads_total", "Reads that went to S3");
  prometheus::Family<prometheus::Counter>& s3_bytes =
      Counters(registry, "eider_s3_bytes_total", "Bytes read from S3");
  prometheus::Family<prometheus::Counter>& http =
      Counters(registry, "eider_http_requests_total", "HTTP requests answered, by call and status");
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

void Registry::SetWorkersUp(int workers) { families_->workers_up.Add({}).Set(workers); }
void Registry::SetTasksWaiting(int tasks) { families_->waiting.Add({}).Set(tasks); }
void Registry::SetTasksRunning(int tasks) { families_->running.Add({}).Set(tasks); }

void Registry::ReadS3(int64_t opens, int64_t reads, int64_t bytes) {
  families_->s3_opens.Add({}).Increment(static_cast<double>(opens));
  families_->s3_reads.Add({}).Increment(static_cast<double>(reads));
  families_->s3_bytes.Add({}).Increment(static_cast<double>(bytes));
}

void Registry::HttpAnswered(std::string_view call, int status) {
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
