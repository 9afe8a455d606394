#include "engine/result_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <thread>
#include <vector>

namespace eider::engine {
namespace {

using Room = ResultQueue::Room;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kMost = ResultQueue::kMaxBytes;

class ResultQueueTest : public ::testing::Test {
 protected:
  // Makes a piece, known by its number; false where there is no room and it is to be woken.
  bool Make(uint64_t batch, int64_t number, int64_t bytes) {
    const Room room = queue_.Reserve(batch, bytes, [this, number] { woken_.push_back(number); });
    if (room == Room::kNone) return false;
    Push(batch, room, number, bytes);
    return true;
  }

  void Push(uint64_t batch, Room room, int64_t number, int64_t bytes) {
    queue_.Push(batch, room, ResultPiece{nullptr, {number}, bytes});
  }

  std::vector<int64_t> TakeAll() {
    std::vector<int64_t> numbers;
    while (const auto piece = queue_.Take()) numbers.push_back(piece->row_bytes[0]);
    return numbers;
  }

  std::vector<int64_t> Woken() { return std::exchange(woken_, {}); }

  ResultQueue queue_;
  std::vector<int64_t> woken_;
};

TEST_F(ResultQueueTest, GivesInTheOrderOfBatches) {
  queue_.Advance(1);
  EXPECT_TRUE(Make(3, 30, 1));
  EXPECT_TRUE(Make(1, 10, 1));
  EXPECT_TRUE(Make(2, 20, 1));
  EXPECT_TRUE(Make(3, 31, 1));
  EXPECT_TRUE(Make(1, 11, 1));
  EXPECT_THAT(TakeAll(), ElementsAre(10, 11));
  queue_.Advance(3);
  EXPECT_TRUE(Make(3, 32, 1));
  EXPECT_TRUE(Make(5, 50, 1));
  EXPECT_THAT(TakeAll(), ElementsAre(20, 30, 31, 32));
  EXPECT_THAT(TakeAll(), IsEmpty());
  queue_.Finish();
  EXPECT_THAT(TakeAll(), ElementsAre(50));
}

TEST_F(ResultQueueTest, OldNewsOfTheLowestChangesNothing) {
  queue_.Advance(5);
  queue_.Advance(2);
  EXPECT_TRUE(Make(5, 50, 1));
  EXPECT_THAT(TakeAll(), ElementsAre(50));
}

TEST_F(ResultQueueTest, IsFullByBytesAndWakesWhenHalfIsTaken) {
  EXPECT_TRUE(Make(0, 1, kMost / 2 + 1));
  EXPECT_TRUE(Make(0, 2, kMost));
  EXPECT_FALSE(Make(0, 3, 1));
  EXPECT_TRUE(queue_.Take());
  EXPECT_THAT(Woken(), IsEmpty());
  EXPECT_TRUE(queue_.Take());
  EXPECT_THAT(Woken(), ElementsAre(3));
  EXPECT_TRUE(Make(0, 3, 1));
  EXPECT_THAT(TakeAll(), ElementsAre(3));
}

TEST_F(ResultQueueTest, OnePieceIsNotTooLarge) {
  EXPECT_TRUE(Make(0, 1, 100 * kMost));
  EXPECT_THAT(TakeAll(), ElementsAre(1));
}

TEST_F(ResultQueueTest, RoomThatIsKeptCounts) {
  const Room room = queue_.Reserve(0, kMost, [] {});
  EXPECT_FALSE(Make(0, 2, 1));
  Push(0, room, 1, kMost);
  EXPECT_THAT(TakeAll(), ElementsAre(1));
  EXPECT_THAT(Woken(), ElementsAre(2));
}

TEST_F(ResultQueueTest, WhatIsAheadDoesNotStopWhoseTurnItIs) {
  queue_.Advance(1);
  EXPECT_TRUE(Make(2, 20, kMost));
  EXPECT_FALSE(Make(2, 21, 1));
  EXPECT_FALSE(Make(3, 30, 1));
  EXPECT_TRUE(Make(1, 10, 1));
  EXPECT_THAT(Woken(), IsEmpty());
  queue_.Advance(2);
  EXPECT_THAT(Woken(), IsEmpty());
  EXPECT_THAT(TakeAll(), ElementsAre(10, 20));
  EXPECT_THAT(Woken(), ElementsAre(21, 30));
}

TEST_F(ResultQueueTest, WhoseTurnHasComeIsWoken) {
  queue_.Advance(1);
  EXPECT_TRUE(Make(3, 30, kMost));
  EXPECT_FALSE(Make(2, 20, 1));
  queue_.Advance(2);
  EXPECT_THAT(Woken(), ElementsAre(20));
}

TEST_F(ResultQueueTest, TheTurnMayComeWhileAPieceIsMade) {
  queue_.Advance(1);
  const Room room = queue_.Reserve(2, kMost, [] {});
  ASSERT_EQ(room, Room::kAhead);
  queue_.Advance(2);
  Push(2, room, 20, kMost);
  EXPECT_FALSE(Make(2, 21, 1)) << "what is ready is full";
  EXPECT_THAT(TakeAll(), ElementsAre(20));
  EXPECT_TRUE(Make(3, 30, kMost)) << "nothing is ahead";
}

// Two tasks that make batches of one piece each, in turns: each is ahead of its turn when it asks,
// and in turn when the other does. So DuckDB's own buffer grows without a bound.
TEST_F(ResultQueueTest, TasksThatOvertakeEachOtherAreBounded) {
  queue_.Advance(1);
  uint64_t batch = 2;
  while (batch < 1000 && Make(batch, static_cast<int64_t>(batch), kMost / 4)) {
    queue_.Advance(batch);
    ++batch;
  }
  EXPECT_LE(batch, 10);
}

TEST_F(ResultQueueTest, WaitsForAPush) {
  std::thread maker([&] { Make(0, 1, 1); });
  queue_.WaitUntil(std::chrono::steady_clock::now() + std::chrono::minutes(1));
  EXPECT_THAT(TakeAll(), ElementsAre(1));
  maker.join();
  queue_.WaitUntil(std::chrono::steady_clock::now());  // comes back
}

}  // namespace
}  // namespace eider::engine
