#include "coordinator/cache_totals.h"

#include <utility>

namespace eider::coordinator {
namespace {

// An engine that was rebuilt counts from zero again.
int64_t Added(int64_t before, int64_t now) { return now >= before ? now - before : now; }

}  // namespace

CacheTotals::Totals CacheTotals::Take(const std::vector<WorkerInfo>& workers) {
  Totals totals;
  base::MutexLock lock(mutex_);
  std::unordered_map<std::string, protocol::CacheFigures> seen;
  for (const WorkerInfo& worker : workers) {
    const auto at = seen_.find(worker.hello.boot_id);
    const protocol::CacheFigures before = at == seen_.end() ? protocol::CacheFigures{} : at->second;
    // Between hello and the first heartbeat nothing is known of it.
    const bool known = worker.heartbeat.clock_ms != 0;
    const protocol::CacheFigures& now = known ? worker.heartbeat.cache : before;
    seen[worker.hello.boot_id] = now;
    totals.evictions += Added(before.evictions, now.evictions);
    totals.corrupt_pages += Added(before.corrupt_pages, now.corrupt_pages);
    totals.write_failures += Added(before.write_failures, now.write_failures);
    if (!worker.up) continue;
    totals.state.used_bytes += now.used_bytes;
    totals.state.budget_bytes += now.budget_bytes;
    totals.state.disabled += now.disabled_why.empty() ? 0 : 1;
  }
  seen_ = std::move(seen);
  return totals;
}

}  // namespace eider::coordinator
