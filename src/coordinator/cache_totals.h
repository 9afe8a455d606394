// The disk caches of all workers together, as the metrics want them.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "coordinator/membership.h"
#include "metrics/registry.h"

namespace eider::coordinator {

// A worker counts since its start; this tells what has been added since it was last asked. What a
// worker counts between the last heartbeat of one start and the next start is not seen.
// Thread-safe.
class CacheTotals {
 public:
  struct Totals {
    metrics::CacheState state;  // of those that are up
    int64_t evictions = 0;      // since the last call, as are the others
    int64_t corrupt_pages = 0;
    int64_t write_failures = 0;
  };
  Totals Take(const std::vector<WorkerInfo>& workers) EIDER_EXCLUDES(mutex_);

 private:
  base::Mutex mutex_;
  // By boot id: what was counted up to the last call.
  std::unordered_map<std::string, protocol::CacheFigures> seen_ EIDER_GUARDED_BY(mutex_);
};

}  // namespace eider::coordinator
