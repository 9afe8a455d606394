#include "coordinator/orders.h"

#include <gtest/gtest.h>

#include <latch>
#include <vector>

namespace eider::coordinator {
namespace {

TEST(Orders, AWorkerThatDoesNotAnswerDelaysItsOwnAlone) {
  Orders orders(4, 2);
  std::latch answers(1);
  std::latch other(1);
  for (int i = 0; i < 10; ++i) orders.Post("frozen", [&] { answers.wait(); });
  orders.Post("other", [&] { other.count_down(); });
  other.wait();
  answers.count_down();
  orders.Stop();
}

TEST(Orders, AllOfThemRunInOrder) {
  Orders orders(4, 1);
  std::vector<int> ran;  // by one at a time
  for (int i = 0; i < 100; ++i) orders.Post("w1", [&ran, i] { ran.push_back(i); });
  orders.Stop();
  ASSERT_EQ(ran.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ran[i], i);
}

}  // namespace
}  // namespace eider::coordinator
