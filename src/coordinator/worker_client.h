// How the coordinator speaks to one worker. The real one is in rpc/flight.
#pragma once

#include <arrow/result.h>

#include <functional>
#include <memory>
#include <string>

#include "protocol/channel.h"

namespace eider::coordinator {

// A task on its way to a worker and its result back. As with every BatchStream Cancel may come from
// any thread; it ends a blocked Start as well, at once, also when the worker is frozen.
class RemoteStream : public protocol::BatchStream {
 public:
  // Blocks until the schema is there; before it has succeeded there is no schema() and no Next().
  // Errors: the task's own, with its ErrorInfo; WORKER_LOST where the connection broke.
  virtual arrow::Status Start() = 0;
};

// Thread-safe: one client serves every relay to its worker.
class WorkerClient {
 public:
  virtual ~WorkerClient() = default;
  // Opens the attach stream (Flight DoExchange). Errors: the connection's.
  virtual arrow::Result<std::unique_ptr<protocol::Channel>> Attach() = 0;
  // Sends a sealed ticket to run; does not wait for an answer: call Start() on the stream. Where
  // there is no connection yet, it waits for one at most 3 s.
  // Errors: WORKER_LOST where there is no connection.
  virtual arrow::Result<std::unique_ptr<RemoteStream>> Run(const std::string& ticket) = 0;
  // Sends a sealed command (Flight DoAction), waiting at most `timeout_ms` for its answer.
  virtual arrow::Status Send(const std::string& command, int64_t timeout_ms) = 0;
};

// Makes a client for "grpc://host:port"; does not wait for the worker to be there.
using WorkerClientFactory =
    std::function<arrow::Result<std::shared_ptr<WorkerClient>>(const std::string& location)>;

}  // namespace eider::coordinator
