// Every call but /read and /write: asks the service, gives the answer.
#pragma once

#include <arrow/result.h>

#include <atomic>
#include <string_view>

#include "coordinator/service.h"
#include "protocol/query.h"
#include "rpc/http/response.h"
#include "rpc/http/router.h"

namespace eider::rpc {

// Whether the call may block, and so must not run on a thread that serves connections.
bool MayBlock(Call call);

// May block as long as the service does; a wait for a query ends early once `stopping` is set.
// REQUIRES: route.call is none of kRead, kWrite and kExplain. Thread-safe.
Response AnswerCall(coordinator::Service& service, const Route& route, std::string_view body,
                    const std::atomic<bool>& stopping);

// kExplain's answer. Thread-safe.
Response AnswerExplain(const coordinator::Service& service, arrow::Result<protocol::Query> query);

}  // namespace eider::rpc
