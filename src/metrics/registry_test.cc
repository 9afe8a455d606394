#include "metrics/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eider::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(RegistryTest, CountsWhatItIsTold) {
  Registry registry;
  registry.QueryEnded("OK");
  registry.QueryEnded("OK");
  registry.QueryEnded("NOT_FOUND");
  registry.QueueWaited(2);
  registry.TaskRan(40'000);
  registry.Claimed("home rank 0");
  registry.Relayed(10, 1'000);
  registry.SetWorkersUp(2, 1);
  registry.SetScheduling(3, 15);
  registry.SetTasksWaiting(3);
  registry.SetTasksRunning(4);
  registry.Read({.opens = 1,
                 .requests = 2,
                 .list_requests = 3,
                 .s3_bytes = 300,
                 .cache_bytes = 400,
                 .cache_hits = 5,
                 .cache_misses = 6,
                 .shared_fetches = 7,
                 .retries = 8,
                 .hedges = 9,
                 .cost_nanousd = 1'500'000'000});
  registry.SetCache({.used_bytes = 10, .budget_bytes = 11, .disabled = 1});
  registry.CacheChanged(12, 13, 14);
  registry.HttpAnswered("read", 200, 1);
  registry.HttpAnswered("read", 503, 2'000);
  const std::string text = registry.Text();
  EXPECT_THAT(text, HasSubstr("eider_queries_total{code=\"OK\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("eider_queries_total{code=\"NOT_FOUND\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("eider_queue_wait_seconds_bucket{le=\"0.0025\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("eider_run_seconds_bucket{le=\"0.05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("eider_run_seconds_bucket{le=\"0.025\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("eider_claims_total{kind=\"home\",rank=\"0\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("eider_relayed_rows_total 10\n"));
  EXPECT_THAT(text, HasSubstr("eider_relayed_bytes_total 1000\n"));
  EXPECT_THAT(text, HasSubstr("eider_workers_up 2\n"));
  EXPECT_THAT(text, HasSubstr("eider_workers_held_back 1\n"));
  EXPECT_THAT(text, HasSubstr("eider_hot_keys 3\n"));
  EXPECT_THAT(text, HasSubstr("eider_steal_after_seconds 0.015\n"));
  EXPECT_THAT(text, HasSubstr("eider_tasks_waiting 3\n"));
  EXPECT_THAT(text, HasSubstr("eider_tasks_running 4\n"));
  EXPECT_THAT(text, HasSubstr("eider_s3_opens_total 1\n"));
  EXPECT_THAT(text, HasSubstr("eider_s3_requests_total 2\n"));
  EXPECT_THAT(text, HasSubstr("eider_s3_list_requests_total 3\n"));
  EXPECT_THAT(text, HasSubstr("eider_cache_bytes_total 400\n"));
  EXPECT_THAT(text, HasSubstr("eider_cache_reads_total{outcome=\"hit\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("eider_cache_reads_total{outcome=\"miss\"} 6\n"));
  EXPECT_THAT(text, HasSubstr("eider_shared_fetches_total 7\n"));
  EXPECT_THAT(text, HasSubstr("eider_s3_retries_total 8\n"));
  EXPECT_THAT(text, HasSubstr("eider_s3_hedges_total 9\n"));
  EXPECT_THAT(text, HasSubstr("eider_s3_cost_dollars_total 1.5\n"));
  EXPECT_THAT(text, HasSubstr("eider_cache_used_bytes 10\n"));
  EXPECT_THAT(text, HasSubstr("eider_cache_budget_bytes 11\n"));
  EXPECT_THAT(text, HasSubstr("eider_cache_disabled 1\n"));
  EXPECT_THAT(text, HasSubstr("eider_cache_evictions_total 12\n"));
  EXPECT_THAT(text, HasSubstr("eider_cache_corrupt_pages_total 13\n"));
  EXPECT_THAT(text, HasSubstr("eider_cache_write_failures_total 14\n"));
  EXPECT_THAT(text, HasSubstr("eider_s3_bytes_total 300\n"));
  EXPECT_THAT(text, HasSubstr("eider_http_requests_total{call=\"read\",status=\"200\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("eider_http_refused_seconds_bucket{call=\"read\",le=\"0.001\"} 0\n"));
  EXPECT_THAT(text,
              HasSubstr("eider_http_refused_seconds_bucket{call=\"read\",le=\"0.0025\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("eider_http_refused_seconds_count{call=\"read\"} 1\n"));
}

TEST(RegistryTest, ShowsOnlyWhatWasTouched) {
  Registry registry;
  registry.SetWorkersUp(1, 0);
  EXPECT_THAT(registry.Text(), Not(HasSubstr("eider_s3_opens_total ")));
}

void ExpectLabels(std::string_view reason, const char* kind, const char* rank) {
  const ClaimLabels labels = ReadReason(reason);
  EXPECT_EQ(labels.kind, kind) << reason;
  EXPECT_EQ(labels.rank, rank) << reason;
}

TEST(ReadReasonTest, TakesKindAndRankFromTheSchedulersWords) {
  ExpectLabels("home rank 0", "home", "0");
  ExpectLabels("overflow rank 1: owner w2 is full", "overflow", "1");
  ExpectLabels("overflow rank 12: owner w2 is full", "overflow", "4+");
  ExpectLabels("stolen from w2 after 31 ms", "stolen", "");
  ExpectLabels("least loaded", "other", "");
  ExpectLabels("", "other", "");
}

}  // namespace
}  // namespace eider::metrics
