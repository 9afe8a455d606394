// The object store that Eider reads with: S3, with hedges and retries on top.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "store/budget.h"
#include "store/hedge_policy.h"
#include "store/object_store.h"
#include "store/retry_policy.h"
#include "store/transfer_options.h"

namespace eider::store {

struct StoreOptions {
  TransferOptions transfer;
  RetryOptions retry;
  HedgeOptions hedge;
  bool hedging = true;
  // Retries of the whole process draw from one budget; null: that one.
  std::shared_ptr<Budget> retry_budget;
  std::optional<uint64_t> jitter_seed;  // for tests; otherwise a random one
};

// One for a process, over everything that it reads: connections, budgets and what was learned of
// latencies are shared. Destroying it waits for what is under way, so stop that first.
std::shared_ptr<ObjectStore> MakeStore(const StoreOptions& options);

}  // namespace eider::store
