#include "store/budget.h"

#include <algorithm>

namespace eider::store {

void Budget::Earn() {
  const base::MutexLock lock(mutex_);
  tokens_ = std::min(rates_.burst, tokens_ + rates_.per_request);
}

bool Budget::Spend(TimePoint now) {
  const base::MutexLock lock(mutex_);
  if (last_ == TimePoint::max()) last_ = now;
  if (now > last_) {
    const double seconds = std::chrono::duration<double>(now - last_).count();
    tokens_ = std::min(rates_.burst, tokens_ + rates_.per_second * seconds);
    last_ = now;
  }
  // Sums of fractions: twenty times 0.05 is to be one.
  constexpr double kOne = 1.0 - 1e-9;
  if (tokens_ < kOne) return false;
  tokens_ -= 1;
  return true;
}

}  // namespace eider::store
