#include "store/connection_slots.h"

#include <gtest/gtest.h>

namespace eider::store {
namespace {

TEST(ConnectionSlots, BoundsEachHost) {
  ConnectionSlots slots(100, 2);
  EXPECT_TRUE(slots.Enter(1, "a"));
  EXPECT_TRUE(slots.Enter(2, "a"));
  EXPECT_FALSE(slots.Enter(3, "a"));
  EXPECT_FALSE(slots.Enter(4, "a"));
  EXPECT_TRUE(slots.Enter(5, "b"));
  EXPECT_EQ(slots.Leave("b"), std::nullopt);
  EXPECT_EQ(slots.Leave("a"), 3U);
  slots.Forget(4, "a");
  EXPECT_EQ(slots.Leave("a"), std::nullopt);
  EXPECT_TRUE(slots.Enter(6, "a"));
}

TEST(ConnectionSlots, BoundsThemAllAndTakesTheOldest) {
  ConnectionSlots slots(2, 2);
  EXPECT_TRUE(slots.Enter(1, "a"));
  EXPECT_TRUE(slots.Enter(2, "b"));
  EXPECT_FALSE(slots.Enter(3, "c"));
  EXPECT_FALSE(slots.Enter(4, "b"));
  EXPECT_EQ(slots.Leave("a"), 3U);
  EXPECT_EQ(slots.Leave("c"), 4U);
  EXPECT_FALSE(slots.Enter(5, "b"));
  EXPECT_EQ(slots.Leave("b"), 5U);
  slots.Forget(9, "nowhere");
}

}  // namespace
}  // namespace eider::store
