#include "coordinator/handover.h"

#include <chrono>
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
  while (!outcome_) {
    if (!changed_.WaitUntil(mutex_, deadline) && !outcome_) return std::nullopt;
  }
  ARROW_RETURN_NOT_OK(outcome_->status());
  return std::optional<ClaimInfo>(**outcome_);
}

}  // namespace eider::coordinator
