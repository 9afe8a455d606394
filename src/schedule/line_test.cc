#include "schedule/line.h"

#include <gtest/gtest.h>

#include <string>

namespace eider::schedule {
namespace {

// The line emptied from its head: "t1 t2".
std::string Emptied(Line line) {
  std::string all;
  while (const auto task_id = line.Pop()) all += (all.empty() ? "" : " ") + *task_id;
  return all;
}

class LineTest : public ::testing::Test {
 protected:
  // Task ids tell the client: "a1" is a's.
  Waiting Task(const std::string& id, int priority = 0) {
    return {
        .task_id = id, .client = id.substr(0, 1), .priority = priority, .sequence = ++sequence_};
  }
  void Push(const std::string& id, int priority = 0) { line_.Push(Task(id, priority)); }

  Line line_;
  uint64_t sequence_ = 0;
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
  EXPECT_EQ(line_.Pop(), "a1");
  Push("a2");
  EXPECT_EQ(Emptied(line_), "b1 c1 a2 b2");
}

TEST_F(LineTest, PushFrontTakesTheNextTurn) {
  const Waiting refused = Task("b1");
  for (const char* id : {"a1", "b2", "c1"}) Push(id);
  line_.PushFront(refused);
  EXPECT_EQ(line_.Front(), "b1");
  EXPECT_EQ(Emptied(line_), "b1 a1 c1 b2");
}

TEST_F(LineTest, RemovesFromAnywhere) {
  for (const char* id : {"a1", "a2", "b1", "c1"}) Push(id);
  line_.Remove("a1");
  line_.Remove("b1");
  line_.Remove("unknown");
  EXPECT_EQ(line_.size(), 2);
  EXPECT_EQ(Emptied(line_), "a2 c1");
}

TEST_F(LineTest, OldestThatGoesByPriorityThenAge) {
  const auto any = [](const std::string&) { return true; };
  EXPECT_EQ(line_.OldestThat(any), std::nullopt);
  for (const char* id : {"a1", "b1", "a2"}) Push(id);
  EXPECT_EQ(line_.OldestThat(any), "a1");
  EXPECT_EQ(line_.OldestThat([](const std::string& id) { return id[0] != 'a'; }), "b1");
  Push("c1", 1);
  EXPECT_EQ(line_.OldestThat(any), "c1");
  EXPECT_EQ(line_.OldestThat([](const std::string& id) { return id == "z"; }), std::nullopt);
}

}  // namespace
}  // namespace eider::schedule
