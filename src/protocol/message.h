// What coordinator and worker say to each other, apart from tickets and batches.
//
// On the attach stream (a Channel), after the handshake, every message is a sealed Message. Short
// Commands go as sealed Flight actions. An Announcement is what a worker posts to a coordinator
// that does not know it.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "protocol/figures.h"
#include "protocol/ticket.h"

namespace eider::protocol {

// Worker to coordinator, first of all: who it is and what it runs.
struct Hello {
  std::string worker_id;
  std::string boot_id;
  std::string version;
  int64_t clock_ms = 0;  // its monotonic clock, which tickets expire on
  int slots = 0;
  int threads = 0;
  int64_t memory_limit_bytes = 0;
  std::vector<AttemptId> running;
  bool operator==(const Hello&) const = default;
};

// Worker to coordinator: a ticket was admitted.
struct Started {
  AttemptId attempt;
  bool operator==(const Started&) const = default;
};

// Worker to coordinator: a task ended and its slot is free.
struct Finished {
  AttemptId attempt;
  std::optional<base::ErrorInfo> error;  // none: it ended well
  Figures figures;
  // What it changed in the object store, whether it ended well or not: URLs, or prefixes, which end
  // in '/'. The other workers are to forget what they have cached of it.
  std::vector<std::string> written;
};

// An attempt that was told to stop and has not ended: DuckDB is in a call that does not look at its
// interrupt. It keeps its slot until then.
struct Stopping {
  AttemptId attempt;
  int64_t for_ms = 0;  // since it was told
  bool operator==(const Stopping&) const = default;
};

// Worker to coordinator, each second.
struct Heartbeat {
  int64_t clock_ms = 0;
  int running = 0;
  bool ready = false;         // has read from S3, or has nothing to read it with
  std::string not_ready_why;  // empty when ready
  bool draining = false;
  int64_t memory_used_bytes = 0;
  int64_t cache_bytes = 0;  // that the engine holds in memory
  std::vector<Stopping> stopping;
  // Threads that are in a write to a client which does not read, after their task has ended.
  int blocked_streams = 0;
  CacheFigures cache;
  bool operator==(const Heartbeat&) const = default;
};

// Coordinator to worker, each second; answers nothing.
struct Ping {
  bool operator==(const Ping&) const = default;
};

// Worker to coordinator, last: a coordinator of a newer epoch has taken over, or had before.
struct Superseded {
  int64_t epoch = 0;      // the newest that the worker has seen
  bool attached = false;  // a coordinator of that epoch is attached now
  bool operator==(const Superseded&) const = default;
};

using Message = std::variant<Hello, Started, Finished, Heartbeat, Ping, Superseded>;
std::string EncodeMessage(const Message& message);
arrow::Result<Message> DecodeMessage(std::string_view json);

// A short order to a worker.
struct Command {
  enum class Kind { kCancel, kClearCache, kInvalidate, kDrain };
  Kind kind = Kind::kCancel;
  std::string worker_id;
  std::string boot_id;
  int64_t expires_at_ms = 0;      // on the worker's monotonic clock
  std::string nonce;              // a command works once
  AttemptId attempt;              // kCancel: which; attempt 0: every attempt of the task
  std::string reason;             // kCancel: for the log and the error
  std::vector<std::string> urls;  // kInvalidate: to forget, URLs or prefixes, which end in '/'
};
std::string SealCommand(const Command& command, const ClusterKey& key);
arrow::Result<Command> OpenCommand(std::string_view sealed, const ClusterKey& key);

// What a worker posts to its coordinator until it is attached. A replay does no harm: the
// coordinator attaches to the address, and the attach handshake proves who answers.
struct Announcement {
  std::string worker_id;
  std::string boot_id;
  std::string location;  // "grpc://host:port" that others reach it by
};
std::string SealAnnouncement(const Announcement& announcement, const ClusterKey& key);
arrow::Result<Announcement> OpenAnnouncement(std::string_view sealed, const ClusterKey& key);

}  // namespace eider::protocol
