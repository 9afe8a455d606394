#include "pipe.h"

#include <gtest/gtest.h>

namespace eider::bench {
namespace {

constexpr int64_t kMs = 1'000'000;

Pipe Made(PipeOptions options) {
  Pipe pipe;
  pipe.Set(options, 0);
  return pipe;
}

TEST(Pipe, TakesTheTimeToSendAndTheWay) {
  Pipe pipe = Made({.rate_bytes_s = 1e6, .delay_ns = 15 * kMs, .queue_bytes = 10'000});
  EXPECT_EQ(pipe.Take(1000, 0), 16 * kMs);
  // The next one waits until the wire is free.
  EXPECT_EQ(pipe.Take(1000, 0), 17 * kMs);
  // After a pause nothing waits, and the pause is not made up for.
  EXPECT_EQ(pipe.Take(1000, 100 * kMs), 116 * kMs);
}

TEST(Pipe, DropsWhatDoesNotFitIntoItsQueue) {
  Pipe pipe = Made({.rate_bytes_s = 1e6, .queue_bytes = 2500});
  EXPECT_TRUE(pipe.Take(1000, 0));
  EXPECT_TRUE(pipe.Take(1000, 0));
  EXPECT_FALSE(pipe.Take(1000, 0));
  EXPECT_EQ(pipe.counters().dropped_full, 1);
  EXPECT_TRUE(pipe.Take(1000, kMs));  // one has left meanwhile
  EXPECT_EQ(pipe.counters().packets, 3);
}

TEST(Pipe, WithoutARateOnlyDelays) {
  Pipe pipe = Made({.delay_ns = 5 * kMs});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pipe.Take(9000, kMs), 6 * kMs);
}

TEST(Pipe, ACutOneDropsEverythingUntilItIsMended) {
  PipeOptions options{.on = false};
  Pipe pipe = Made(options);
  EXPECT_FALSE(pipe.Take(100, 0));
  EXPECT_EQ(pipe.counters().dropped_cut, 1);
  options.on = true;
  pipe.Set(options, kMs);
  EXPECT_EQ(pipe.Take(100, kMs), kMs);
}

TEST(Pipe, WhatWaitsMovesOnAtANewRate) {
  Pipe pipe = Made({.rate_bytes_s = 1e6, .queue_bytes = 100'000});
  EXPECT_EQ(pipe.Take(10'000, 0), 10 * kMs);
  pipe.Set({.rate_bytes_s = 1e5, .queue_bytes = 100'000}, 5 * kMs);
  // 5,000 bytes wait, which take 50 ms now, and then 10 ms for its own.
  EXPECT_EQ(pipe.Take(1000, 5 * kMs), 65 * kMs);
}

TEST(Pipe, NothingOvertakes) {
  Pipe pipe = Made({.delay_ns = 50 * kMs});
  EXPECT_EQ(pipe.Take(100, 0), 50 * kMs);
  pipe.Set({.delay_ns = 0}, kMs);
  EXPECT_EQ(pipe.Take(100, kMs), 50 * kMs);
}

}  // namespace
}  // namespace eider::bench
