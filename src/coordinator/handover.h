// Hand over: one query whose client streams from the worker itself (`direct` delivery).
#pragma once

#include <arrow/result.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "coordinator/dispatch.h"
#include "coordinator/service.h"

namespace eider::coordinator {

// Waits for a claim on behalf of a client that asks for it, perhaps more than once. Thread-safe.
class HandedQuery final : public TaskListener {
 public:
  // Makes what the client gets for a claim; an error where the worker has just gone.
  using MakeClaimInfo = std::function<arrow::Result<ClaimInfo>(const schedule::Claim&)>;
  // The query was rejected: called once.
  using OnRejected = std::function<void(const base::ErrorInfo&)>;

  HandedQuery(MakeClaimInfo make_claim_info, OnRejected on_rejected)
      : make_claim_info_(std::move(make_claim_info)), on_rejected_(std::move(on_rejected)) {}

  void OnClaim(const schedule::Claim& claim) override EIDER_EXCLUDES(mutex_);
  bool OnMove(const schedule::Move&) override { return false; }  // its client has the ticket
  void OnReject(const base::ErrorInfo& why) override EIDER_EXCLUDES(mutex_);

  // The claim; nullopt when there is none within `wait_ms`. Errors: the rejection's.
  arrow::Result<std::optional<ClaimInfo>> Wait(int64_t wait_ms) EIDER_EXCLUDES(mutex_);
  // It has no claim, and nobody has waited for one for so long: its client has gone between two
  // calls of Wait.
  bool Unwanted(int64_t for_ms) EIDER_EXCLUDES(mutex_);

 private:
  const MakeClaimInfo make_claim_info_;
  const OnRejected on_rejected_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::optional<arrow::Result<ClaimInfo>> outcome_ EIDER_GUARDED_BY(mutex_);
  int waiting_ EIDER_GUARDED_BY(mutex_) = 0;
  std::chrono::steady_clock::time_point left_at_ EIDER_GUARDED_BY(mutex_) =
      std::chrono::steady_clock::now();
};

}  // namespace eider::coordinator
