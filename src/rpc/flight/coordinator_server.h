// The coordinator's Flight door, for `direct` delivery: a query in, a worker's endpoint and ticket
// out.
#pragma once

#include <arrow/result.h>

#include <memory>
#include <string>

#include "coordinator/service.h"

namespace eider::rpc::flight {

// GetFlightInfo takes a descriptor whose command is the JSON body of POST /read, with an optional
// `"write": true`. The answer has one endpoint (the worker's location and the sealed ticket) and
// the app_metadata {"query_id", "worker", "location", "reason", "queue_ms"}. A query that still
// waits after 10 s is answered with no endpoint and {"query_id", "waiting": true}; the client asks
// again with the command {"wait_for": "<query_id>"}. PollFlightInfo is the same in Flight's own
// form. The schema is empty: it is not known before the query runs.
//
// Runs from Start to Stop or its destruction. Thread-safe.
class CoordinatorServer {
 public:
  // As WorkerServer::Start.
  static arrow::Result<std::unique_ptr<CoordinatorServer>> Start(coordinator::Service& service,
                                                                 const std::string& bind, int port);
  ~CoordinatorServer();

  int port() const;
  void Stop();

 private:
  class Impl;
  explicit CoordinatorServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace eider::rpc::flight
