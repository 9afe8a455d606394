// When a GET is late enough for a twin. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include "config/limits.h"

namespace eider::store {

struct HedgeOptions {
  std::chrono::nanoseconds floor = std::chrono::milliseconds(config::kHedgeFloorMs);
  int medians = config::kHedgeMedians;
  int window = config::kHedgeWindow;
  int min_samples = config::kHedgeMinSamples;
};

// The times to first byte of the last GETs of one endpoint. Not thread-safe.
class HedgePolicy {
 public:
  explicit HedgePolicy(const HedgeOptions& options) : options_(options) {}

  void Record(std::chrono::nanoseconds first_byte);

  // How long to wait for a first byte before sending a twin: the 99th percentile of the window, but
  // at least the floor and some medians. Nothing while too little is known.
  std::optional<std::chrono::nanoseconds> Delay() const;

 private:
  const HedgeOptions options_;
  std::vector<std::chrono::nanoseconds> window_;  // a ring, once it is full
  size_t next_ = 0;
};

}  // namespace eider::store
