// The capability to run one attempt of one task on one worker, once.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/cluster_key.h"
#include "protocol/query.h"

namespace eider::protocol {

// A task's n-th try. What comes from an older attempt is ignored.
struct AttemptId {
  std::string task_id;  // "<query id>.<n>": a query owns tasks, plural
  int attempt = 1;
  bool operator==(const AttemptId&) const = default;
};

struct Ticket {
  AttemptId attempt;
  std::string query_id;
  std::string worker_id;
  std::string boot_id;
  int64_t expires_at_ms = 0;  // on the worker's monotonic clock
  std::string sql;
  Arguments arguments;
  CacheMode cache_mode = CacheMode::kUse;
  bool write = false;
  int64_t timeout_ms = 0;  // for the run, from admission
  std::string trace_id;
  bool operator==(const Ticket&) const = default;
};

std::string SealTicket(const Ticket& ticket, const ClusterKey& key);
// Errors: PERMISSION_DENIED when the MAC is wrong or the content is no ticket. Expiry, target and
// single use are the worker's to check.
arrow::Result<Ticket> OpenTicket(std::string_view sealed, const ClusterKey& key);

}  // namespace eider::protocol
