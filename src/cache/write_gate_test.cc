#include "cache/write_gate.h"

#include <gtest/gtest.h>

#include "config/limits.h"

namespace eider::cache {
namespace {

using config::kMiB;

TEST(WriteGate, LooksAtTheSpaceOnceASecondOrEachSoManyBytes) {
  WriteGate gate(5);
  EXPECT_TRUE(gate.SpaceCheckDue(0, 1)) << "the first time";
  EXPECT_EQ(gate.Deficit({.total_bytes = 100'000 * kMiB, .available_bytes = 50'000 * kMiB}, 1), 0);
  EXPECT_FALSE(gate.SpaceCheckDue(999, 63 * kMiB));
  EXPECT_TRUE(gate.SpaceCheckDue(999, kMiB));
  EXPECT_FALSE(gate.SpaceCheckDue(1998, 1));
  EXPECT_TRUE(gate.SpaceCheckDue(1999, 1));
}

TEST(WriteGate, LooksMoreOftenWhereLittleIsFree) {
  WriteGate gate(5);
  EXPECT_TRUE(gate.SpaceCheckDue(0, 1));
  EXPECT_EQ(gate.Deficit({.total_bytes = 100 * kMiB, .available_bytes = 9 * kMiB}, kMiB), 0);
  EXPECT_FALSE(gate.SpaceCheckDue(0, kMiB));
  EXPECT_TRUE(gate.SpaceCheckDue(0, kMiB)) << "half of the 4 MiB above the reserve";
}

TEST(WriteGate, KeepsAReserve) {
  WriteGate gate(5);
  EXPECT_EQ(gate.Deficit({.total_bytes = 100 * kMiB, .available_bytes = 6 * kMiB}, kMiB), 0);
  EXPECT_EQ(gate.Deficit({.total_bytes = 100 * kMiB, .available_bytes = 6 * kMiB}, 2 * kMiB), kMiB);
  EXPECT_EQ(gate.Deficit({.total_bytes = 100 * kMiB, .available_bytes = 0}, kMiB), 6 * kMiB);
  EXPECT_EQ(gate.Deficit({}, kMiB), 0) << "unknown";
}

TEST(WriteGate, StopsAndTriesAgain) {
  WriteGate gate(5);
  EXPECT_TRUE(gate.MayWrite(0));
  EXPECT_FALSE(gate.Succeeded());
  EXPECT_TRUE(gate.Stop(10, 100, "no space"));
  EXPECT_FALSE(gate.MayWrite(109));
  EXPECT_TRUE(gate.MayWrite(110)) << "a trial";
  EXPECT_TRUE(gate.SpaceCheckDue(110, 1)) << "looks first";
  EXPECT_EQ(gate.why(), "no space");
  EXPECT_FALSE(gate.Stop(110, 100, "no space")) << "warned of before";
  EXPECT_FALSE(gate.MayWrite(209));
  EXPECT_TRUE(gate.Succeeded());
  EXPECT_EQ(gate.why(), "");
  EXPECT_TRUE(gate.MayWrite(0));
}

}  // namespace
}  // namespace eider::cache
