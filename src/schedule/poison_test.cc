#include "schedule/poison.h"

#include <gtest/gtest.h>

namespace eider::schedule {
namespace {

using Names = std::vector<std::string>;

// A worker that runs `query` falls under it.
void Die(PoisonMemory& memory, const std::string& query, const protocol::AttemptId& attempt,
         const std::string& worker_id, int64_t started_ms, int64_t now_ms) {
  memory.NoteFall(worker_id, {query}, now_ms);
  memory.NoteDeath(query, attempt, worker_id, started_ms, now_ms);
}

TEST(PoisonMemory, DeathsInOneRowPoisonForAWhile) {
  PoisonMemory memory(2, 100, 0, 10);
  Die(memory, "q", {"a", 1}, "w1", 0, 10);
  EXPECT_FALSE(memory.IsOnTrial("q"));
  EXPECT_EQ(memory.PassVerdicts(10), Names{});
  Die(memory, "q", {"b", 1}, "w2", 20, 30);
  EXPECT_EQ(memory.PassVerdicts(30), Names{"q"});
  EXPECT_EQ(memory.WorkersThatDied("q", 129), "w1, w2");
  EXPECT_EQ(memory.LeftMs("q", 129), 1);
  EXPECT_FALSE(memory.WorkersThatDied("other", 129));
  EXPECT_FALSE(memory.WorkersThatDied("q", 130));
  EXPECT_EQ(memory.size(), 0u);
}

TEST(PoisonMemory, AVerdictWaitsForNewsOfOthers) {
  PoisonMemory memory(2, 100, 5, 10);
  Die(memory, "q", {"a", 1}, "w1", 0, 10);
  Die(memory, "q", {"b", 1}, "w2", 20, 30);
  EXPECT_TRUE(memory.IsOnTrial("q"));
  EXPECT_FALSE(memory.WorkersThatDied("q", 34));
  EXPECT_EQ(memory.NextVerdictMs(), 35);
  EXPECT_EQ(memory.PassVerdicts(34), Names{});
  EXPECT_EQ(memory.PassVerdicts(35), Names{"q"});
  EXPECT_FALSE(memory.IsOnTrial("q"));
  EXPECT_FALSE(memory.NextVerdictMs());
}

TEST(PoisonMemory, WhereOthersFellTooItIsNotToBlame) {
  PoisonMemory memory(2, 100, 5, 10);
  Die(memory, "q", {"a", 1}, "w1", 0, 10);
  Die(memory, "q", {"a", 2}, "w2", 11, 12);
  EXPECT_TRUE(memory.IsOnTrial("q"));
  memory.NoteFall("w3", {"other"}, 14);
  EXPECT_FALSE(memory.IsOnTrial("q"));
  EXPECT_EQ(memory.size(), 0u);
  // The other's fall comes first.
  Die(memory, "q", {"b", 1}, "w4", 15, 16);
  EXPECT_EQ(memory.size(), 0u);
}

TEST(PoisonMemory, AFallAtAnotherTimeExcusesNothing) {
  PoisonMemory memory(2, 100, 5, 10);
  memory.NoteFall("w3", {"other"}, 4);
  Die(memory, "q", {"a", 1}, "w1", 0, 10);
  memory.NoteFall("w3", {"other"}, 16);
  Die(memory, "q", {"b", 1}, "w2", 20, 30);
  EXPECT_TRUE(memory.IsOnTrial("q"));
}

TEST(PoisonMemory, DeathsAtOneTimeAreOne) {
  PoisonMemory memory(2, 100, 5, 10);
  Die(memory, "q", {"a", 1}, "w1", 0, 10);
  Die(memory, "q", {"b", 1}, "w2", 5, 11);
  EXPECT_FALSE(memory.IsOnTrial("q"));
  EXPECT_EQ(memory.size(), 1u);
  // Attempts of one task are never side by side.
  Die(memory, "q", {"a", 2}, "w2", 5, 11);
  EXPECT_TRUE(memory.IsOnTrial("q"));
}

TEST(PoisonMemory, WhatEndsByItselfIsNoSuspect) {
  PoisonMemory memory(2, 100, 0, 10);
  Die(memory, "q", {"a", 1}, "w1", 0, 10);
  memory.Clear("q");
  Die(memory, "q", {"b", 1}, "w2", 20, 30);
  EXPECT_FALSE(memory.IsOnTrial("q"));
  Die(memory, "q", {"c", 1}, "w3", 40, 50);
  memory.PassVerdicts(50);
  memory.Clear("q");
  EXPECT_TRUE(memory.WorkersThatDied("q", 50));
}

TEST(PoisonMemory, ADeathCanBeTakenBack) {
  PoisonMemory memory(2, 100, 5, 10);
  Die(memory, "q", {"a", 1}, "w1", 0, 10);
  memory.TakeBack("q", {"a", 1});
  EXPECT_EQ(memory.size(), 0u);
  Die(memory, "q", {"b", 1}, "w2", 20, 30);
  EXPECT_FALSE(memory.IsOnTrial("q"));
  Die(memory, "q", {"b", 2}, "w3", 31, 40);
  EXPECT_TRUE(memory.IsOnTrial("q"));
  memory.TakeBack("q", {"b", 2});
  EXPECT_FALSE(memory.IsOnTrial("q"));
}

TEST(PoisonMemory, TheOldestMakesRoom) {
  PoisonMemory memory(1, 100, 0, 2);
  for (const char* query : {"a", "b", "c"}) {
    Die(memory, query, {query, 1}, "w1", 0, 10 + query[0]);
    memory.PassVerdicts(10 + query[0]);
  }
  EXPECT_EQ(memory.size(), 2u);
  EXPECT_FALSE(memory.WorkersThatDied("a", 110));
  EXPECT_TRUE(memory.WorkersThatDied("c", 110));
}

}  // namespace
}  // namespace eider::schedule
