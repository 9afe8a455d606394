// The seam between the services and the wire: rpc/flight has the real side, tests a pair in memory.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/result.h>

#include <memory>
#include <optional>
#include <string>

namespace eider::protocol {

// A long-lived two-way stream of opaque messages. One thread may Send while another Receives.
class Channel {
 public:
  virtual ~Channel() = default;
  virtual arrow::Status Send(const std::string& message) = 0;
  // Blocks for the next message; nullopt at the peer's orderly end.
  virtual arrow::Result<std::optional<std::string>> Receive() = 0;
  // Ends a blocked Receive and every later call with an error, also when the peer is frozen.
  // Thread-safe, idempotent, does not block.
  virtual void Cancel() = 0;
};

// A result on its way. Next is called by one thread; Cancel by any, at any time, and ends a blocked
// Next with an error.
class BatchStream {
 public:
  virtual ~BatchStream() = default;
  virtual std::shared_ptr<arrow::Schema> schema() const = 0;
  // nullptr at the proper end. An error means that the result is not whole.
  virtual arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() = 0;
  virtual void Cancel() = 0;
};

}  // namespace eider::protocol
