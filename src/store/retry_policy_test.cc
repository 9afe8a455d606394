#include "store/retry_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "store/budget.h"

namespace eider::store {
namespace {

using base::ErrorCode;
using std::chrono::hours;
using std::chrono::milliseconds;

constexpr RetryOptions kOptions{.max_tries = 4, .base_ms = 100, .cap_ms = 1000};

TEST(RetryDelay, IsAnywhereUpToADoublingCeiling) {
  EXPECT_EQ(RetryDelayMs(1, 0.0, {}, kOptions), 0);
  EXPECT_EQ(RetryDelayMs(1, 0.999, {}, kOptions), 99);
  EXPECT_EQ(RetryDelayMs(2, 0.5, {}, kOptions), 100);
  EXPECT_EQ(RetryDelayMs(3, 0.5, {}, kOptions), 200);
  EXPECT_EQ(RetryDelayMs(5, 0.5, {}, kOptions), 500);  // the cap
  EXPECT_EQ(RetryDelayMs(1'000'000, 0.5, {}, kOptions), 500);
}

TEST(RetryDelay, IsNoShorterThanTheServerAsksFor) {
  EXPECT_EQ(RetryDelayMs(1, 0.5, 3000, kOptions), 3000);
  EXPECT_EQ(RetryDelayMs(3, 0.5, 10, kOptions), 200);
}

TEST(DecideRetry, OnlyWhatMayPass) {
  for (const ErrorCode code :
       {ErrorCode::kNotFound, ErrorCode::kPermissionDenied, ErrorCode::kInvalidQuery,
        ErrorCode::kCancelled, ErrorCode::kDeadlineExceeded, ErrorCode::kInternal}) {
    EXPECT_FALSE(DecideRetry(base::MakeError(code, "x"), 1, 0.5, hours(1), kOptions).retry);
  }
  const auto passing = base::MakeError(ErrorCode::kStorageUnavailable, "x");
  EXPECT_TRUE(DecideRetry(passing, 1, 0.5, hours(1), kOptions).retry);
  const auto lasting =
      base::MakeError({.code = ErrorCode::kStorageUnavailable, .retryable = false});
  EXPECT_FALSE(DecideRetry(lasting, 1, 0.5, hours(1), kOptions).retry);
}

TEST(DecideRetry, WithinTriesAndDeadline) {
  const auto error = base::MakeError(ErrorCode::kStorageUnavailable, "x");
  EXPECT_TRUE(DecideRetry(error, 3, 0.5, hours(1), kOptions).retry);
  EXPECT_FALSE(DecideRetry(error, 4, 0.5, hours(1), kOptions).retry);
  EXPECT_TRUE(DecideRetry(error, 1, 0.5, milliseconds(51), kOptions).retry);
  EXPECT_FALSE(DecideRetry(error, 1, 0.5, milliseconds(50), kOptions).retry);
  EXPECT_TRUE(
      DecideRetry(error, 1, 0.5, std::chrono::steady_clock::duration::max(), kOptions).retry);
  const auto later = base::MakeError(
      {.code = ErrorCode::kStorageUnavailable, .retryable = true, .retry_after_ms = 60'000});
  EXPECT_FALSE(DecideRetry(later, 1, 0.5, hours(1), kOptions).retry);
}

TEST(Budget, IsEarnedByRequestsAndByTime) {
  Budget budget({.per_request = 0.05, .per_second = 2, .burst = 1});
  const Budget::TimePoint start{};
  EXPECT_TRUE(budget.Spend(start));
  EXPECT_FALSE(budget.Spend(start));
  for (int i = 0; i < 19; ++i) budget.Earn();
  EXPECT_FALSE(budget.Spend(start));
  budget.Earn();
  EXPECT_TRUE(budget.Spend(start));
  EXPECT_FALSE(budget.Spend(start + milliseconds(499)));
  EXPECT_TRUE(budget.Spend(start + milliseconds(500)));
  EXPECT_TRUE(budget.Spend(start + hours(1)));  // never more than the burst
  EXPECT_FALSE(budget.Spend(start + hours(1)));
}

}  // namespace
}  // namespace eider::store
