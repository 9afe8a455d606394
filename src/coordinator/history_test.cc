#include "coordinator/history.h"

#include <gtest/gtest.h>

#include <thread>

namespace eider::coordinator {
namespace {

QueryRecord Record(int n) {
  QueryRecord record;
  record.id = "q" + std::to_string(n);
  return record;
}

TEST(History, KeepsTheLastThousandAndWhatEndedLately) {
  base::ManualClock clock;
  History history(clock);
  for (int i = 0; i < 1500; ++i) {
    history.Add(Record(i));
    history.End("q" + std::to_string(i), std::nullopt);
  }
  EXPECT_TRUE(history.Find("q0"));
  clock.Advance(History::kKeptMs);
  history.Add(Record(1500));
  EXPECT_FALSE(history.Find("q0"));
  EXPECT_FALSE(history.Find("q499"));
  EXPECT_TRUE(history.Find("q500"));
  EXPECT_EQ(history.Newest(2).at(0).id, "q1500");
}

TEST(History, RefusalsDoNotPushOutWhatRan) {
  base::ManualClock clock;
  History history(clock);
  history.Add(Record(0));
  history.End("q0", std::nullopt);
  for (int i = 1; i <= 3'000; ++i) {
    history.Add(Record(i));
    history.End("q" + std::to_string(i), base::ErrorInfo{.code = base::ErrorCode::kOverloaded});
  }
  history.Add(Record(3'001));
  EXPECT_TRUE(history.Find("q0"));
  EXPECT_FALSE(history.Find("q1"));
  EXPECT_FALSE(history.Find("q2000"));
  EXPECT_TRUE(history.Find("q2001"));
  EXPECT_EQ(history.Newest(10'000).size(), 1 + History::kKept + 1);
}

TEST(History, IsBoundedByBytes) {
  base::ManualClock clock;
  History history(clock);
  constexpr int kRecords = 40'000;
  for (int i = 0; i < kRecords; ++i) {
    QueryRecord record = Record(i);
    record.sql.assign(History::kMaxSqlBytes, 'x');
    history.Add(std::move(record));
    history.End("q" + std::to_string(i), std::nullopt);
  }
  EXPECT_FALSE(history.Find("q0"));
  EXPECT_TRUE(history.Find("q" + std::to_string(kRecords - 10'000)));
  EXPECT_LE(history.Newest(kRecords).size(), History::kMaxKeptBytes / History::kMaxSqlBytes + 1);
}

TEST(History, WhatStillRunsIsNotForgotten) {
  base::ManualClock clock;
  History history(clock);
  history.Add(Record(0));
  for (int i = 1; i < 1500; ++i) {
    history.Add(Record(i));
    history.End("q" + std::to_string(i), std::nullopt);
  }
  clock.Advance(History::kKeptMs);
  history.Add(Record(1500));
  EXPECT_EQ(history.Find("q0")->state(), "waiting");
  // Nor does it keep the others from being so.
  EXPECT_FALSE(history.Find("q1"));
}

TEST(History, WaitsForTheEndAndTheReport) {
  base::ManualClock clock;
  History history(clock);
  history.Add(Record(0));
  history.Update("q0", [](QueryRecord& record) { record.claimed = true; });
  EXPECT_EQ(history.WaitForEnd("q0", 1)->state(), "running");
  std::thread ender([&] {
    history.End("q0", base::ErrorInfo{.code = base::ErrorCode::kNotFound});
    history.Update("q0", [](QueryRecord& record) { record.reported = true; });
  });
  const auto record = history.WaitForEnd("q0", 10'000);
  ender.join();
  EXPECT_EQ(record->state(), "failed");
  EXPECT_TRUE(record->reported);
  EXPECT_FALSE(history.WaitForEnd("nosuch", 1));
}

TEST(History, TheFirstEndWins) {
  base::ManualClock clock;
  History history(clock);
  history.Add(Record(0));
  history.End("q0", std::nullopt);
  history.End("q0", base::ErrorInfo{.code = base::ErrorCode::kNotFound});
  EXPECT_EQ(history.Find("q0")->state(), "finished");
}

}  // namespace
}  // namespace eider::coordinator
