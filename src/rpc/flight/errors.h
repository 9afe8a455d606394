// Eider's errors over Flight: the ErrorInfo rides, as JSON, in the extra info of the status.
#pragma once

#include <arrow/status.h>

#include "base/error.h"

namespace eider::rpc::flight {

// What a Flight method returns for `status` (OK stays OK). The texts are cut to what fits into
// gRPC's 8 KiB of trailers, where several copies of them go.
arrow::Status ToFlight(const arrow::Status& status);

// What a Flight client's `status` means: the peer's own error, or WORKER_LOST where there is none:
// the connection broke, or was never there. `peer` is named in that one's message.
arrow::Status FromFlight(const arrow::Status& status, const std::string& peer);

}  // namespace eider::rpc::flight
