#include "schedule/rendezvous.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace eider::schedule {
namespace {

using ::testing::UnorderedElementsAre;

constexpr int kKeys = 20'000;

std::string Key(int n) { return "s3://bucket/date=2025-05-01/part-" + std::to_string(n); }

TEST(RankTest, NamesEachWorkerOnceWhateverTheirOrder) {
  const auto order = Rank("s3://b/k", {{"w1"}, {"w2"}, {"w3"}});
  EXPECT_THAT(order, UnorderedElementsAre("w1", "w2", "w3"));
  EXPECT_EQ(Rank("s3://b/k", {{"w3"}, {"w1"}, {"w2"}}), order);
  EXPECT_TRUE(Rank("s3://b/k", {}).empty());
}

TEST(RankTest, EqualWorkersOwnEqualShares) {
  std::vector<std::string> ids;
  ids.reserve(10);
  for (int n = 0; n < 10; ++n) ids.push_back("worker-" + std::to_string(n));
  std::vector<Candidate> workers;
  workers.reserve(ids.size());
  for (const std::string& id : ids) workers.push_back({id});
  std::map<std::string_view, int> owned;
  for (int n = 0; n < kKeys; ++n) ++owned[Rank(Key(n), workers).front()];
  const double share = kKeys / 10.0;
  for (const std::string& id : ids) {
    // Five standard deviations of a fair draw.
    EXPECT_NEAR(owned[id], share, 5 * std::sqrt(share * 0.9)) << id;
  }
}

TEST(RankTest, SharesFollowWeights) {
  std::map<std::string_view, int> owned;
  for (int n = 0; n < kKeys; ++n) ++owned[Rank(Key(n), {{"small", 8}, {"large", 24}}).front()];
  EXPECT_NEAR(owned["large"], kKeys * 0.75, 5 * std::sqrt(kKeys * 0.75 * 0.25));
}

TEST(RankTest, AWorkerThatGoesMovesOnlyItsOwnKeys) {
  const std::vector<Candidate> all = {{"w1", 8}, {"w2", 8}, {"w3", 16}, {"w4", 4}};
  const std::vector<Candidate> rest = {{"w1", 8}, {"w2", 8}, {"w4", 4}};
  for (int n = 0; n < 1'000; ++n) {
    auto order = Rank(Key(n), all);
    std::erase(order, "w3");
    EXPECT_EQ(Rank(Key(n), rest), order) << Key(n);
  }
}

}  // namespace
}  // namespace eider::schedule
