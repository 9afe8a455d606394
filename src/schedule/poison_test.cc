#include "schedule/poison.h"

#include <gtest/gtest.h>

namespace eider::schedule {
namespace {

TEST(PoisonMemory, DeathsInOneRowPoisonForAWhile) {
  PoisonMemory memory(2, 100, 10);
  EXPECT_FALSE(memory.NoteDeath("q", {"a", 1}, "w1", 0, 10));
  EXPECT_FALSE(memory.WorkersThatDied("q", 10));
  EXPECT_TRUE(memory.NoteDeath("q", {"b", 1}, "w2", 20, 30));
  EXPECT_EQ(memory.WorkersThatDied("q", 129), "w1, w2");
  EXPECT_EQ(memory.LeftMs("q", 129), 1);
  EXPECT_FALSE(memory.WorkersThatDied("other", 129));
  EXPECT_FALSE(memory.WorkersThatDied("q", 130));
  EXPECT_EQ(memory.size(), 0u);
}

TEST(PoisonMemory, DeathsAtOneTimeAreOne) {
  PoisonMemory memory(2, 100, 10);
  EXPECT_FALSE(memory.NoteDeath("q", {"a", 1}, "w1", 0, 10));
  EXPECT_FALSE(memory.NoteDeath("q", {"b", 1}, "w2", 5, 11));
}

TEST(PoisonMemory, WhatEndsByItselfIsNoSuspect) {
  PoisonMemory memory(2, 100, 10);
  memory.NoteDeath("q", {"a", 1}, "w1", 0, 10);
  memory.Clear("q");
  EXPECT_FALSE(memory.NoteDeath("q", {"b", 1}, "w2", 20, 30));
  EXPECT_TRUE(memory.NoteDeath("q", {"c", 1}, "w3", 40, 50));
  memory.Clear("q");
  EXPECT_TRUE(memory.WorkersThatDied("q", 50));
}

TEST(PoisonMemory, ADeathCanBeTakenBack) {
  PoisonMemory memory(2, 100, 10);
  memory.NoteDeath("q", {"a", 1}, "w1", 0, 10);
  memory.TakeBack("q", {"a", 1});
  EXPECT_EQ(memory.size(), 0u);
  EXPECT_FALSE(memory.NoteDeath("q", {"b", 1}, "w2", 20, 30));
}

TEST(PoisonMemory, TheOldestMakesRoom) {
  PoisonMemory memory(2, 100, 2);
  for (const char* query : {"a", "b", "c"}) memory.Poison(query, "w1, w2", 10 + query[0]);
  EXPECT_EQ(memory.size(), 2u);
  EXPECT_FALSE(memory.WorkersThatDied("a", 110));
  EXPECT_TRUE(memory.WorkersThatDied("c", 110));
}

}  // namespace
}  // namespace eider::schedule
