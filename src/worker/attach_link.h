// One attach stream: the thread that writes to it, and what it has to write.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "base/mutex.h"
#include "protocol/channel.h"
#include "protocol/handshake.h"
#include "protocol/message.h"
#include "worker/attach.h"

namespace eider::worker {

// The thread of Serve reads; Write() is the body of a second thread. Thread-safe.
class AttachLink {
 public:
  AttachLink(protocol::Channel& channel, const Attachments::Options& options)
      : channel_(channel), options_(options), heard_at_(std::chrono::steady_clock::now()) {}

  protocol::Channel& channel() { return channel_; }
  // Set once, before Begin.
  std::unique_ptr<protocol::Session> session;

  // Queues an event; gives the stream up when too many wait.
  void Push(protocol::Message event);
  // Lets the writer send: hello first.
  void Begin(protocol::Hello hello);
  // The writer's last message is this; then it ends.
  void Supersede(protocol::Superseded why);
  void Heard();
  // Ends the writer, and the channel's blocked calls.
  void End();

  // Sends until End or Supersede. Gives up a handshake that takes too long and a silent peer.
  void Write(const std::function<protocol::Heartbeat()>& heartbeat);

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  // Waits for something to send; nullopt at the end.
  std::optional<protocol::Message> NextMessage(
      const std::function<protocol::Heartbeat()>& heartbeat);
  TimePoint GiveUpAt() const EIDER_REQUIRES(mutex_);

  protocol::Channel& channel_;
  const Attachments::Options options_;

  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<protocol::Message> queue_ EIDER_GUARDED_BY(mutex_);
  bool begun_ EIDER_GUARDED_BY(mutex_) = false;
  bool ended_ EIDER_GUARDED_BY(mutex_) = false;
  bool superseded_ EIDER_GUARDED_BY(mutex_) = false;
  TimePoint heard_at_ EIDER_GUARDED_BY(mutex_);
  TimePoint beat_at_ EIDER_GUARDED_BY(mutex_);  // when the next heartbeat is due
};

}  // namespace eider::worker
