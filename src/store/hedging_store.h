// Sends a second GET where the first one's answer is unusually late, and takes what comes first.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "store/budget.h"
#include "store/hedge_policy.h"
#include "store/in_flight.h"
#include "store/object_store.h"
#include "store/timer_queue.h"

namespace eider::store {

// What is late is learned for each endpoint. The answer whose first byte comes first wins, the
// other GET is cancelled. Stat and List are passed through. `inner` must call on_first_byte.
class HedgingStore final : public ObjectStore {
 public:
  HedgingStore(std::shared_ptr<ObjectStore> inner, std::shared_ptr<TimerQueue> timers,
               std::shared_ptr<Budget> budget, const HedgeOptions& options);
  // Waits for what is under way, losers too: stop it first. Not from a callback.
  ~HedgingStore() override;

  void StartGet(GetRequest request, Scope scope, GetDone done) override;
  arrow::Result<Version> Stat(const GetRequest& request, const Scope& scope) override;
  arrow::Result<ListPage> List(const ListRequest& request, const Scope& scope) override;

 private:
  struct Race;  // a GET and its twin
  using RacePtr = std::shared_ptr<Race>;

  void Run(const RacePtr& race, int runner);
  void Late(const RacePtr& race);
  void FirstByte(const RacePtr& race, int runner);
  void Ended(const RacePtr& race, int runner, arrow::Result<GetResult> result);

  std::optional<std::chrono::nanoseconds> Patience(const std::string& endpoint);
  void Record(const std::string& endpoint, std::chrono::nanoseconds first_byte);

  const std::shared_ptr<ObjectStore> inner_;
  const std::shared_ptr<TimerQueue> timers_;
  const std::shared_ptr<Budget> budget_;
  const HedgeOptions options_;
  InFlight in_flight_;
  base::Mutex mutex_;
  std::map<std::string, HedgePolicy> policies_ EIDER_GUARDED_BY(mutex_);
};

}  // namespace eider::store
