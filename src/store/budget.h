// How much extra work may be made: tokens that requests earn and retries or hedges spend.
#pragma once

#include <chrono>

#include "base/mutex.h"

namespace eider::store {

struct BudgetRates {
  double per_request = 0;  // tokens earned by each request
  double per_second = 0;   // and by time: the floor
  double burst = 0;        // never more than that many; the budget starts full
};

// Thread-safe; may be shared by all stores of a process. Times must not go back by much: a call
// with an older one earns nothing.
class Budget {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  explicit Budget(const BudgetRates& rates) : rates_(rates), tokens_(rates.burst) {}

  void Earn();
  // Takes one token where there is one.
  bool Spend(TimePoint now);

 private:
  const BudgetRates rates_;
  base::Mutex mutex_;
  double tokens_ EIDER_GUARDED_BY(mutex_);
  TimePoint last_ EIDER_GUARDED_BY(mutex_) = TimePoint::max();  // max: not yet
};

}  // namespace eider::store
