// Whether a failed request is sent again, and when. Pure.
#pragma once

#include <arrow/status.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "config/limits.h"

namespace eider::store {

struct RetryOptions {
  int max_tries = config::kMaxS3Tries;  // the first one counted
  int64_t base_ms = config::kRetryBaseMs;
  int64_t cap_ms = config::kRetryCapMs;
  int64_t max_retry_after_ms = config::kMaxRetryAfterMs;
};

// Full jitter: `random` (in [0, 1)) of min(cap, base * 2^(tries - 1)), and no less than what the
// server asked for. `tries` have failed so far, at least one.
int64_t RetryDelayMs(int tries, double random, std::optional<int64_t> retry_after_ms,
                     const RetryOptions& options);

// Whether another try may mend `error`: a STORAGE_UNAVAILABLE that says so.
bool IsWorthRetrying(const arrow::Status& error);

struct RetryDecision {
  bool retry = false;
  int64_t delay_ms = 0;
  std::string why_not;  // where it is worth a retry, and there is none
};
// `left` is the time to the deadline.
RetryDecision DecideRetry(const arrow::Status& error, int tries, double random,
                          std::chrono::steady_clock::duration left, const RetryOptions& options);

}  // namespace eider::store
