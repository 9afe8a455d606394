#include "schedule/line.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "schedule/state.h"

namespace eider::schedule {
namespace {

// The line emptied from its head: "t1 t2".
std::string Emptied(Line line) {
  std::string all;
  while (const TaskRecord* task = line.Pop()) all += (all.empty() ? "" : " ") + task->task.id;
  return all;
}

class LineTest : public ::testing::Test {
 protected:
  // Task ids tell the client: "a1" is a's.
  Waiting Task(const std::string& id, int priority = 0) {
    TaskRecord& record = records_.emplace_back();
    record.task = {.id = id, .client = id.substr(0, 1), .priority = priority};
    record.sequence = records_.size();
    return record.entry();
  }
  Waiting Push(const std::string& id, int priority = 0) {
    const Waiting task = Task(id, priority);
    line_.Push(task);
    return task;
  }
  std::string OldestStealable(const std::string& unwanted = "") const {
    const TaskRecord* task = line_.OldestStealable(
        [&](const TaskRecord& candidate) { return candidate.task.id != unwanted; });
    return task == nullptr ? "" : task->task.id;
  }

  Line line_;
  std::deque<TaskRecord> records_;
};

TEST_F(LineTest, ClientsTakeTurns) {
  for (const char* id : {"a1", "a2", "a3", "b1", "c1", "b2"}) Push(id);
  EXPECT_EQ(line_.size(), 6);
  EXPECT_EQ(Emptied(line_), "a1 b1 c1 a2 b2 a3");
}

TEST_F(LineTest, HigherPriorityFirst) {
  Push("a1");
  Push("b1", 5);
  Push("a2", -3);
  Push("a3", 5);
  EXPECT_EQ(Emptied(line_), "b1 a3 a1 a2");
}

TEST_F(LineTest, AClientThatComesBackJoinsAtTheEnd) {
  for (const char* id : {"a1", "b1", "b2", "c1"}) Push(id);
  EXPECT_EQ(line_.Pop()->task.id, "a1");
  Push("a2");
  EXPECT_EQ(Emptied(line_), "b1 c1 a2 b2");
}

TEST_F(LineTest, PushFrontTakesTheNextTurn) {
  const Waiting refused = Task("b1");
  for (const char* id : {"a1", "b2", "c1"}) Push(id);
  line_.PushFront(refused);
  EXPECT_EQ(line_.Front()->task.id, "b1");
  EXPECT_EQ(Emptied(line_), "b1 a1 c1 b2");
}

TEST_F(LineTest, RemovesFromAnywhere) {
  const Waiting a1 = Push("a1");
  Push("a2");
  const Waiting b1 = Push("b1");
  Push("c1");
  line_.Remove(a1);
  line_.Remove(b1);
  EXPECT_EQ(line_.size(), 2);
  EXPECT_EQ(Emptied(line_), "a2 c1");
}

TEST_F(LineTest, ATurnThatIsTakenGoesToTheNext) {
  for (const char* id : {"a1", "a2", "b1"}) Push(id);
  line_.TakeTurn();
  EXPECT_EQ(Emptied(line_), "b1 a1 a2");
}

TEST_F(LineTest, TheClientWithTheMostIsToldByItsNewest) {
  EXPECT_EQ(line_.NewestOfTheMost("b", 0), nullptr);
  for (const char* id : {"a1", "b1", "a2"}) Push(id);
  EXPECT_EQ(line_.NewestOfTheMost("b", 0), nullptr);  // one more is no flood
  EXPECT_EQ(line_.NewestOfTheMost("c", 0)->task.id, "a2");
  EXPECT_EQ(line_.NewestOfTheMost("c", -1), nullptr);
  Push("a3");
  EXPECT_EQ(line_.NewestOfTheMost("b", 0)->task.id, "a3");
  EXPECT_EQ(line_.NewestOfTheMost("a", 0), nullptr);
}

TEST_F(LineTest, SaysWhetherOneOfTheMostIsThere) {
  std::mt19937 random(1);
  const auto below = [&](uint32_t limit) { return static_cast<int>(random() % limit); };
  const auto client = [](int n) { return std::string(1, static_cast<char>('a' + n)); };
  std::vector<Waiting> here;
  int found = 0;
  for (int step = 0; step < 10'000; ++step) {
    if (here.size() < 10 && below(2) == 0) {
      here.push_back(Push(client(below(4)) + std::to_string(step), below(3)));
    } else if (!here.empty()) {
      const auto gone = here.begin() + below(static_cast<uint32_t>(here.size()));
      line_.Remove(*gone);
      here.erase(gone);
    }
    for (int n = 0; n < 5; ++n) {
      for (int priority = -1; priority < 4; ++priority) {
        const bool is_there = line_.NewestOfTheMost(client(n), priority) != nullptr;
        ASSERT_EQ(line_.HasNewestOfTheMost(client(n), priority), is_there) << "step " << step;
        ASSERT_TRUE(line_.is_crowded() || !is_there) << "step " << step;
        found += is_there ? 1 : 0;
      }
    }
  }
  EXPECT_GT(found, 1'000);
}

TEST_F(LineTest, TheOldestOfTheHighestPriorityIsStolen) {
  EXPECT_FALSE(line_.may_be_stolen_from());
  const Waiting a1 = Push("a1");
  const Waiting b1 = Push("b1");
  Push("a2");
  const Waiting urgent = Push("c1", 1);
  EXPECT_EQ(OldestStealable(), "");
  line_.LetSteal(b1);
  EXPECT_EQ(OldestStealable(), "b1");
  line_.LetSteal(a1);
  EXPECT_EQ(OldestStealable(), "a1");
  EXPECT_EQ(OldestStealable("a1"), "b1");
  line_.LetSteal(urgent);
  EXPECT_EQ(OldestStealable(), "c1");
  line_.Remove(urgent);
  line_.Remove(a1);
  EXPECT_EQ(OldestStealable(), "b1");
  line_.Remove(b1);
  EXPECT_FALSE(line_.may_be_stolen_from());
  EXPECT_EQ(line_.size(), 1);
}

}  // namespace
}  // namespace eider::schedule
