// The worker as its Flight door (rpc/flight) sees it: admit -> execute -> stream.
#pragma once

#include <arrow/result.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "protocol/channel.h"

namespace eider::worker {

// What the worker may ask and do about the client of a stream, from another thread and under its
// own lock, until the stream is destroyed. Either may be empty.
struct Client {
  // Whether it has gone; polled by the watchdog.
  std::function<bool()> gone;
  // Ends its connection; called at most once, when the thread that serves the stream has not come
  // back from a write for long after the task has ended. Only a hint: a connection that still
  // serves other streams of the client is left alone.
  std::function<void()> disconnect;
};

// Thread-safe.
class Service {
 public:
  virtual ~Service() = default;

  // Admits a sealed ticket and starts its task; returns once the schema is known. The stream holds
  // the slot until it ends or is destroyed. A client that has gone interrupts the task.
  // Errors: PERMISSION_DENIED for a ticket that is not good here and now, OVERLOADED when no slot
  // is free or too many streams are blocked, and the task's own.
  virtual arrow::Result<std::unique_ptr<protocol::BatchStream>> Run(std::string_view ticket,
                                                                    Client client) = 0;

  // Serves one attach stream until it ends.
  virtual arrow::Status Attach(protocol::Channel& channel) = 0;

  // Carries out a sealed command.
  virtual arrow::Status Execute(std::string_view command) = 0;
};

}  // namespace eider::worker
