// The worker as its Flight door (rpc/flight) sees it: admit -> execute -> stream.
#pragma once

#include <arrow/result.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "protocol/channel.h"

namespace eider::worker {

// Thread-safe.
class Service {
 public:
  virtual ~Service() = default;

  // Admits a sealed ticket and starts its task; returns once the schema is known. The stream holds
  // the slot until it ends or is destroyed. `client_gone` is polled by the watchdog, from another
  // thread, until the stream is destroyed, and interrupts the task when it turns true.
  // Errors: PERMISSION_DENIED for a ticket that is not good here and now, OVERLOADED when no slot
  // is free, and the task's own.
  virtual arrow::Result<std::unique_ptr<protocol::BatchStream>> Run(
      std::string_view ticket, std::function<bool()> client_gone) = 0;

  // Serves one attach stream until it ends.
  virtual arrow::Status Attach(protocol::Channel& channel) = 0;

  // Carries out a sealed command.
  virtual arrow::Status Execute(std::string_view command) = 0;
};

}  // namespace eider::worker
