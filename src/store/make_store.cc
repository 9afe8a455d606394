#include "store/make_store.h"

#include <random>

#include "store/hedging_store.h"
#include "store/retrying_store.h"
#include "store/s3_store.h"
#include "store/timer_queue.h"

namespace eider::store {
namespace {

std::shared_ptr<Budget> ProcessRetryBudget() {
  static const auto budget =
      std::make_shared<Budget>(BudgetRates{.per_request = config::kRetriesPerRequest,
                                           .per_second = config::kRetriesPerSecond,
                                           .burst = config::kRetryBurst});
  return budget;
}

}  // namespace

std::shared_ptr<ObjectStore> MakeStore(const StoreOptions& options) {
  auto timers = std::make_shared<TimerQueue>();
  std::shared_ptr<ObjectStore> store = std::make_shared<S3Store>(options.transfer);
  if (options.hedging) {
    auto hedges = std::make_shared<Budget>(
        BudgetRates{.per_request = config::kHedgesPerRequest, .burst = config::kHedgeBurst});
    store =
        std::make_shared<HedgingStore>(std::move(store), timers, std::move(hedges), options.hedge);
  }
  const uint64_t seed = options.jitter_seed ? *options.jitter_seed : std::random_device()();
  return std::make_shared<RetryingStore>(
      std::move(store), std::move(timers),
      options.retry_budget != nullptr ? options.retry_budget : ProcessRetryBudget(),
      RetryingStore::Options{.retry = options.retry, .seed = seed});
}

}  // namespace eider::store
