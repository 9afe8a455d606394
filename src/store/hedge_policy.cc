#include "store/hedge_policy.h"

#include <algorithm>

namespace eider::store {

void HedgePolicy::Record(std::chrono::nanoseconds first_byte) {
  if (window_.size() < static_cast<size_t>(options_.window)) {
    window_.push_back(first_byte);
    return;
  }
  window_[next_] = first_byte;
  next_ = (next_ + 1) % window_.size();
}

std::optional<std::chrono::nanoseconds> HedgePolicy::Delay() const {
  if (window_.empty() || window_.size() < static_cast<size_t>(options_.min_samples)) {
    return std::nullopt;
  }
  std::vector<std::chrono::nanoseconds> sorted = window_;
  const auto at = [&sorted](size_t rank) {
    const auto place = sorted.begin() + static_cast<ptrdiff_t>(rank);
    std::ranges::nth_element(sorted, place);
    return *place;
  };
  const auto late = at(sorted.size() * 99 / 100);
  const auto median = at(sorted.size() / 2);
  return std::max({late, options_.floor, median * options_.medians});
}

}  // namespace eider::store
