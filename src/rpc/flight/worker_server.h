// The worker's Flight door: tickets (DoGet), attach streams (DoExchange), commands (DoAction).
#pragma once

#include <arrow/result.h>

#include <memory>
#include <string>

#include "worker/service.h"

namespace eider::rpc::flight {

// Runs from Start to Stop or its destruction. Thread-safe.
class WorkerServer {
 public:
  // `service` must outlive the server. Port 0: a free one. Errors: INVALID_QUERY naming the port
  // when it cannot listen there.
  static arrow::Result<std::unique_ptr<WorkerServer>> Start(worker::Service& service,
                                                            const std::string& bind, int port);
  ~WorkerServer();

  int port() const;
  // Cancels what still runs and waits for it. Idempotent.
  void Stop();

 private:
  class Impl;
  explicit WorkerServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace eider::rpc::flight
