#include "coordinator/handover.h"

#include <utility>

#include "base/error.h"

namespace eider::coordinator {

void HandedQuery::OnClaim(const schedule::Claim& claim) {
  arrow::Result<ClaimInfo> info = make_claim_info_(claim);
  {
    base::MutexLock lock(mutex_);
    outcome_ = std::move(info);
  }
  changed_.NotifyAll();
}

void HandedQuery::OnReject(const base::ErrorInfo& why) {
  on_rejected_(why);
  {
    base::MutexLock lock(mutex_);
    outcome_ = base::MakeError(why);
  }
  changed_.NotifyAll();
}

arrow::Result<std::optional<ClaimInfo>> HandedQuery::Wait(int64_t wait_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
  base::MutexLock lock(mutex_);
  ++waiting_;
  while (!outcome_ && changed_.WaitUntil(mutex_, deadline)) {
  }
  --waiting_;
  left_at_ = std::chrono::steady_clock::now();
  if (!outcome_) return std::nullopt;
  ARROW_RETURN_NOT_OK(outcome_->status());
  return std::optional<ClaimInfo>(**outcome_);
}

bool HandedQuery::Unwanted(int64_t for_ms) {
  base::MutexLock lock(mutex_);
  return !outcome_ && waiting_ == 0 &&
         std::chrono::steady_clock::now() - left_at_ >= std::chrono::milliseconds(for_ms);
}

}  // namespace eider::coordinator
