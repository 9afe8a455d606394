// Random stories (simulation_story.h), seed by seed. A seed that fails prints its story, and is
// replayed alone by EIDER_SEED=n; EIDER_SEEDS=n runs another number of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "schedule/scheduler.h"
#include "schedule/simulation_story.h"

namespace eider::schedule {
namespace {

constexpr uint64_t kSeeds = 10'000;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

TEST(SimulationTest, InvariantsHold) {
  const uint64_t one = FromEnvironment("EIDER_SEED", 0);
  const uint64_t seeds = FromEnvironment("EIDER_SEEDS", kSeeds);
  Seen seen;
  for (uint64_t seed = std::max<uint64_t>(one, 1); seed <= (one > 0 ? one : seeds); ++seed) {
    if (Story(seed, /*tells=*/false, &seen).Run().empty()) continue;
    FAIL() << "seed " << seed << " (EIDER_SEED=" << seed
           << " replays it alone): " << Story(seed, /*tells=*/true, &seen).Run();
  }
  if (one > 0 || seeds < 1'000) return;
  for (const char* what :
       {"claim home", "claim overflow", "claim stolen", "claim least", "joined a line", "hot key",
        "moved a key", "within the bound", "beyond the bound", "reject OVERLOADED",
        "reject WORKER_LOST", "reject POISONED", "held", "refused unseen", "reject CANCELLED",
        "reject DEADLINE_EXCEEDED"}) {
    EXPECT_GT(seen[what], 100) << what;
  }
  EXPECT_GT(seen["run away from a slow home"], 10);
  EXPECT_GT(seen["move"], 100);
  EXPECT_GT(seen["finished, not arrived"], 1'000);
  EXPECT_GT(seen["lost when finished"], 0);
}

TEST(SimulationTest, AWorkerThatGoesMovesItsShareOfTheKeys) {
  constexpr int kMany = 10;
  constexpr int kManyKeys = 2'000;
  Scheduler scheduler({});
  for (int n = 0; n < kMany; ++n) {
    scheduler.Handle(WorkerUp{.worker_id = "w" + std::to_string(n), .slots = 4}, 0);
  }
  const auto owners = [&scheduler] {
    std::vector<std::string> ids;
    for (int n = 0; n < kManyKeys; ++n) {
      const Route route = scheduler.Explain({.id = "t", .key = "s3://b/" + std::to_string(n)});
      ids.push_back(route.worker_id);
    }
    return ids;
  };
  const std::vector<std::string> before = owners();
  scheduler.Handle(WorkerDown{"w3"}, 1);
  const std::vector<std::string> after = owners();
  int moved = 0;
  for (int n = 0; n < kManyKeys; ++n) {
    if (before[n] == after[n]) continue;
    EXPECT_EQ(before[n], "w3");
    ++moved;
  }
  // Five standard deviations of a fair draw.
  EXPECT_NEAR(moved, kManyKeys / kMany, 5 * std::sqrt(kManyKeys * 0.1 * 0.9));
  scheduler.Handle(WorkerUp{.worker_id = "w3", .slots = 4}, 2);
  EXPECT_EQ(owners(), before);
}

}  // namespace
}  // namespace eider::schedule
