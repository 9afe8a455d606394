#include "schedule/simulator.h"

#include <gtest/gtest.h>

#include <cmath>

#include "schedule/simulator_cache.h"
#include "schedule/simulator_load.h"

namespace eider::schedule {
namespace {

SimulatorOptions Small(Policy policy) {
  SimulatorOptions options;
  options.fleet.workers = 8;
  options.load.tasks = 4'000;
  options.load.keys = 400;
  options.policy = policy;
  return options;
}

TEST(SimulatorTest, AllTasksEndAndAreCountedOnce) {
  for (const Policy policy : kPolicies) {
    const Report report = Simulate(Small(policy));
    EXPECT_EQ(report.tasks, 3'000) << PolicyName(policy);
    EXPECT_EQ(report.finished, report.tasks) << PolicyName(policy);
    EXPECT_EQ(report.homes + report.overflows + report.steals, report.tasks) << PolicyName(policy);
    EXPECT_EQ(report.failed + report.retried, 0) << PolicyName(policy);
  }
}

TEST(SimulatorTest, TheSameOptionsGiveTheSameReport) {
  const Report one = Simulate(Small(Policy::kAll));
  const Report two = Simulate(Small(Policy::kAll));
  EXPECT_EQ(one.events, two.events);
  EXPECT_EQ(one.virtual_s, two.virtual_s);
  EXPECT_EQ(one.hit_ratio, two.hit_ratio);
  SimulatorOptions other = Small(Policy::kAll);
  other.seed = 2;
  EXPECT_NE(Simulate(other).virtual_s, one.virtual_s);
}

TEST(SimulatorTest, AffinityFindsMoreInCachesThanChance) {
  const Report random = Simulate(Small(Policy::kRandom));
  const Report all = Simulate(Small(Policy::kAll));
  EXPECT_GT(all.hit_ratio, random.hit_ratio + 0.15);
  EXPECT_LT(all.s3_bytes, random.s3_bytes / 1.5);
  EXPECT_LT(all.duplicates, random.duplicates);
}

TEST(SimulatorTest, AnIdleFleetDoesNotWait) {
  SimulatorOptions options = Small(Policy::kAll);
  options.load.utilisation = 0.05;
  const Report report = Simulate(options);
  EXPECT_EQ(report.wait_p50_ms, 0);
  EXPECT_NEAR(report.busy, 0.05, 0.02);
  EXPECT_NEAR(report.throughput, report.offered, report.offered * 0.01);
}

TEST(SimulatorTest, FaultsFireAndTasksSurviveThem) {
  SimulatorOptions options = Small(Policy::kAll);
  options.load.tasks = 10'000;
  options.load.utilisation = 0.5;
  options.faults = {.crashes = 100, .freezes = 100, .drains = 100, .away_ms = 4'000};
  const Report report = Simulate(options);
  EXPECT_GT(report.faults, 10);
  EXPECT_GT(report.retried, 10);
  EXPECT_GT(report.finished, report.tasks * 0.99);
  EXPECT_EQ(report.finished + report.failed, report.tasks);
}

TEST(SimulatorCacheTest, TheLeastRecentlyUsedLeaves) {
  SimulatorCache cache(10);
  cache.Insert(1, 4, 100);
  cache.Insert(2, 4, 200);
  EXPECT_EQ(cache.ReadyAt(1, /*touches=*/true, -1), 100);
  cache.Insert(3, 4, 300);
  EXPECT_EQ(cache.ReadyAt(2, /*touches=*/true, -1), -1);
  EXPECT_EQ(cache.ReadyAt(1, /*touches=*/false, -1), 100);
  cache.Insert(4, 11, 400);  // larger than all of it
  EXPECT_FALSE(cache.Contains(4));
  cache.Insert(5, 4, 500);  // the read above did not touch key 1
  EXPECT_FALSE(cache.Contains(1));
  EXPECT_TRUE(cache.Contains(3));
}

TEST(SimulatorLoadTest, KeysArePopularAsZipfSays) {
  SimulatorRandom random(1);
  const SimulatorKeys keys({.keys = 100, .zipf = 1.0}, random);
  EXPECT_NEAR(keys.Share(0) / keys.Share(9), 10, 1e-9);
  int first = 0;
  for (int n = 0; n < 100'000; ++n) first += keys.Pick(random) == 0 ? 1 : 0;
  EXPECT_NEAR(first / 1e5, keys.Share(0), 0.005);
}

TEST(SimulatorLoadTest, CachesStartAsFullAsTheKeysAllow) {
  SimulatorRandom random(1);
  const Fleet fleet{.workers = 10};
  const SimulatorKeys keys({.keys = 1'000}, random);
  const auto owned = WarmByOwner(fleet, keys, Owners(fleet, keys.size()));
  const auto mixed = WarmAtRandom(fleet, keys, random);
  EXPECT_EQ(Duplicates(owned, keys), 0);
  EXPECT_GT(Duplicates(mixed, keys), 0.2);
  for (const auto& caches : {owned, mixed}) {
    double bytes = 0;
    for (const SimulatorCache& cache : caches) {
      cache.ForEach([&](int, double of_key) { bytes += of_key; });
    }
    EXPECT_NEAR(bytes / keys.all_bytes(), fleet.cache_share, 0.05);
  }
}

}  // namespace
}  // namespace eider::schedule
