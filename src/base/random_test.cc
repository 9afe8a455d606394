#include "base/random.h"

#include <gtest/gtest.h>

#include <set>

namespace eider::base {
namespace {

TEST(Random, HexIsLowerCaseAndTwiceAsLong) {
  EXPECT_EQ(ToHex(std::string("\x00\xff\x1a", 3)), "00ff1a");
  EXPECT_EQ(RandomHex(16).size(), 32u);
}

TEST(Random, DoesNotRepeat) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(RandomHex(16));
  EXPECT_EQ(seen.size(), 1000u);
}

}  // namespace
}  // namespace eider::base
