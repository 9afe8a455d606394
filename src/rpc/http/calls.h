// Every call but /read and /write: asks the service, gives the answer.
#pragma once

#include <atomic>
#include <string_view>

#include "coordinator/service.h"
#include "rpc/http/response.h"
#include "rpc/http/router.h"

namespace eider::rpc {

// Whether the call may block, and so must not run on a thread that serves connections.
bool MayBlock(Call call);

// May block as long as the service does; a wait for a query ends early once `stopping` is set.
// REQUIRES: route.call is neither kRead nor kWrite. Thread-safe.
Response AnswerCall(coordinator::Service& service, const Route& route, std::string_view body,
                    const std::atomic<bool>& stopping);

}  // namespace eider::rpc
