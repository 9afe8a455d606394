// The worker's side of the attach stream: one coordinator at a time, told what happens here.
#pragma once

#include <arrow/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "protocol/channel.h"
#include "protocol/cluster_key.h"
#include "protocol/message.h"

namespace eider::worker {

class AttachLink;

// Thread-safe.
class Attachments {
 public:
  struct Options {
    std::string worker_id;
    // Silence of a coordinator (which pings each second) after which its stream is given up.
    int64_t silence_ms = 10'000;
    int64_t handshake_ms = 5'000;
    int64_t heartbeat_ms = 1'000;
    // Events waiting for a coordinator that does not read; past them its stream is given up, and
    // the hello of the next one says what runs.
    size_t max_queued = 10'000;
    int max_streams = 16;
  };

  // `hello` and `heartbeat` say how the worker is now; called from the streams' threads.
  Attachments(Options options, protocol::ClusterKey key, std::function<protocol::Hello()> hello,
              std::function<protocol::Heartbeat()> heartbeat);

  // Serves one stream until it ends. A coordinator of a newer epoch, or the same one come again,
  // takes over; any other is told Superseded.
  // Errors: PERMISSION_DENIED from the handshake, OVERLOADED past max_streams, the channel's.
  arrow::Status Serve(protocol::Channel& channel);

  // Queues an event for the coordinator, if one is attached. Does not block.
  void Emit(protocol::Message event);

  // Ends all streams, and every later one at once.
  void Stop();

  bool attached() const;

 private:
  arrow::Status Handshake(AttachLink& link);
  // Makes `link` the current one, or tells it that it is not to be.
  bool TakeOver(const std::shared_ptr<AttachLink>& link);
  arrow::Status Enter(const std::shared_ptr<AttachLink>& link);
  void Exit(const std::shared_ptr<AttachLink>& link);

  const Options options_;
  const protocol::ClusterKey key_;
  const std::function<protocol::Hello()> hello_;
  const std::function<protocol::Heartbeat()> heartbeat_;

  mutable base::Mutex mutex_;
  std::vector<std::shared_ptr<AttachLink>> links_ EIDER_GUARDED_BY(mutex_);
  std::shared_ptr<AttachLink> current_ EIDER_GUARDED_BY(mutex_);
  // Of the newest coordinator seen: an older one does not come back when that one has gone.
  int64_t epoch_ EIDER_GUARDED_BY(mutex_) = 0;
  std::string coordinator_id_ EIDER_GUARDED_BY(mutex_);
  bool stopped_ EIDER_GUARDED_BY(mutex_) = false;
};

}  // namespace eider::worker
