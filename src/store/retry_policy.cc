#include "store/retry_policy.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace eider::store {

int64_t RetryDelayMs(int tries, double random, std::optional<int64_t> retry_after_ms,
                     const RetryOptions& options) {
  constexpr int kMaxDoublings = 30;  // base * 2^30 is past every cap
  const auto ceiling = std::min(
      static_cast<double>(options.cap_ms),
      std::ldexp(static_cast<double>(options.base_ms), std::min(tries - 1, kMaxDoublings)));
  return std::max(static_cast<int64_t>(random * ceiling), retry_after_ms.value_or(0));
}

bool IsWorthRetrying(const arrow::Status& error) {
  const base::ErrorInfo info = base::ErrorOf(error);
  return info.code == base::ErrorCode::kStorageUnavailable && info.retryable;
}

RetryDecision DecideRetry(const arrow::Status& error, int tries, double random,
                          std::chrono::steady_clock::duration left, const RetryOptions& options) {
  if (!IsWorthRetrying(error)) return {};
  if (tries >= options.max_tries) return {.why_not = "that is as often as it is tried"};
  const auto retry_after_ms = base::ErrorOf(error).retry_after_ms;
  if (retry_after_ms.value_or(0) > options.max_retry_after_ms) {
    return {.why_not = "it asks to come back in " + std::to_string(*retry_after_ms / 1000) + " s"};
  }
  const int64_t delay_ms = RetryDelayMs(tries, random, retry_after_ms, options);
  if (std::chrono::milliseconds(delay_ms) >= left) {
    return {.why_not = "the deadline leaves no time for another try"};
  }
  return {.retry = true, .delay_ms = delay_ms};
}

}  // namespace eider::store
