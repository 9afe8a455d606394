// What the two Flight servers share: to listen on a port, and to stop.
#pragma once

#include <arrow/flight/api.h>

#include <string>

namespace eider::rpc::flight {

// Starts `server` on `bind`:`port` (0: a free port). Errors: INVALID_QUERY naming address and port
// when it cannot listen there.
arrow::Status Listen(arrow::flight::FlightServerBase& server, const std::string& bind, int port);

// Takes no new call, gives running ones a moment, then cancels them and waits until they are gone.
// Call once.
void StopListening(arrow::flight::FlightServerBase& server);

}  // namespace eider::rpc::flight
