// Sends again what failed for a reason that may pass.
#pragma once

#include <cstdint>
#include <memory>
#include <random>

#include "base/mutex.h"
#include "store/budget.h"
#include "store/in_flight.h"
#include "store/object_store.h"
#include "store/retry_policy.h"
#include "store/timer_queue.h"

namespace eider::store {

// Retries STORAGE_UNAVAILABLE with full jitter, within a request's deadline, a number of tries and
// a budget; nothing else. Waits between tries hold no thread in StartGet, the caller's in Stat and
// List.
class RetryingStore final : public ObjectStore {
 public:
  struct Options {
    RetryOptions retry;
    uint64_t seed = 0;  // of the jitter
  };
  RetryingStore(std::shared_ptr<ObjectStore> inner, std::shared_ptr<TimerQueue> timers,
                std::shared_ptr<Budget> budget, const Options& options);
  // Waits for what is under way: stop it first. Not from a callback.
  ~RetryingStore() override;

  void StartGet(GetRequest request, Scope scope, GetDone done) override;
  arrow::Result<Version> Stat(const GetRequest& request, const Scope& scope) override;
  arrow::Result<ListPage> List(const ListRequest& request, const Scope& scope) override;

 private:
  struct Retried;  // a GET and how often it was tried

  void Try(const std::shared_ptr<Retried>& get);
  void TryEnded(const std::shared_ptr<Retried>& get, arrow::Result<GetResult> result);
  void Finish(const std::shared_ptr<Retried>& get, arrow::Result<GetResult> result);
  // A delay in milliseconds, or the error to give instead.
  arrow::Result<int64_t> DelayAfter(const arrow::Status& error, int tries, const Scope& scope);
  double Random();
  template <typename Call>
  auto Blocking(const Scope& scope, const Call& call) -> decltype(call());

  const std::shared_ptr<ObjectStore> inner_;
  const std::shared_ptr<TimerQueue> timers_;
  const std::shared_ptr<Budget> budget_;
  const RetryOptions options_;
  InFlight in_flight_;
  base::Mutex mutex_;
  std::mt19937_64 random_ EIDER_GUARDED_BY(mutex_);
};

}  // namespace eider::store
