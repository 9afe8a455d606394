#include "coordinator/cache_totals.h"

#include <gtest/gtest.h>

namespace eider::coordinator {
namespace {

WorkerInfo Of(const std::string& boot, const protocol::CacheFigures& cache) {
  WorkerInfo worker;
  worker.up = true;
  worker.hello.boot_id = boot;
  worker.heartbeat.clock_ms = 1;
  worker.heartbeat.cache = cache;
  return worker;
}

TEST(CacheTotals, AddsUpTheWorkersThatAreUp) {
  CacheTotals totals;
  WorkerInfo down = Of("c", {.budget_bytes = 1'000, .used_bytes = 1'000});
  down.up = false;
  const auto taken =
      totals.Take({Of("a", {.budget_bytes = 10, .used_bytes = 1}),
                   Of("b", {.budget_bytes = 20, .used_bytes = 2, .disabled_why = "full"}), down});
  EXPECT_EQ(taken.state.budget_bytes, 30);
  EXPECT_EQ(taken.state.used_bytes, 3);
  EXPECT_EQ(taken.state.disabled, 1);
}

TEST(CacheTotals, TellsWhatWasAddedSinceTheLastTime) {
  CacheTotals totals;
  EXPECT_EQ(totals.Take({Of("a", {.evictions = 5}), Of("b", {.evictions = 1})}).evictions, 6);
  EXPECT_EQ(totals.Take({Of("a", {.evictions = 7}), Of("b", {.evictions = 1})}).evictions, 2);
  // Attached again, before its first heartbeat: neither new nor forgotten.
  WorkerInfo again = Of("a", {});
  again.heartbeat = {};
  EXPECT_EQ(totals.Take({again}).evictions, 0);
  EXPECT_EQ(totals.Take({Of("a", {.evictions = 8})}).evictions, 1);
  // A rebuilt engine, and another boot, count from zero.
  EXPECT_EQ(totals.Take({Of("a", {.evictions = 3})}).evictions, 3);
  EXPECT_EQ(totals.Take({Of("a2", {.evictions = 4})}).evictions, 4);
}

}  // namespace
}  // namespace eider::coordinator
