#include "worker/attach_link.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace eider::worker {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

void AttachLink::Push(protocol::Message event) {
  bool full = false;
  {
    base::MutexLock lock(mutex_);
    if (ended_ || superseded_) return;
    full = queue_.size() >= options_.max_queued;
    if (!full) queue_.push_back(std::move(event));
    changed_.NotifyOne();
  }
  if (full) End();
}

void AttachLink::Begin(protocol::Hello hello) {
  base::MutexLock lock(mutex_);
  // Events that came since this link became the current one follow the hello.
  queue_.push_front(std::move(hello));
  begun_ = true;
  heard_at_ = beat_at_ = Clock::now();
  changed_.NotifyOne();
}

void AttachLink::Supersede(protocol::Superseded why) {
  base::MutexLock lock(mutex_);
  queue_.clear();
  queue_.push_back(why);
  begun_ = superseded_ = true;
  changed_.NotifyOne();
}

void AttachLink::Heard() {
  base::MutexLock lock(mutex_);
  heard_at_ = Clock::now();
}

void AttachLink::End() {
  {
    base::MutexLock lock(mutex_);
    ended_ = true;
    changed_.NotifyOne();
  }
  channel_.Cancel();
}

void AttachLink::Write(const std::function<protocol::Heartbeat()>& heartbeat) {
  while (std::optional<protocol::Message> message = NextMessage(heartbeat)) {
    const bool last = std::holds_alternative<protocol::Superseded>(*message);
    if (!session->Send(*message).ok()) break;
    if (!last) continue;
    // Its coordinator ends the stream when it has read this. A frozen one is not waited for.
    base::MutexLock lock(mutex_);
    const auto deadline = Clock::now() + milliseconds(options_.heartbeat_ms);
    while (!ended_ && changed_.WaitUntil(mutex_, deadline)) {
    }
    break;
  }
  End();
}

std::optional<protocol::Message> AttachLink::NextMessage(
    const std::function<protocol::Heartbeat()>& heartbeat) {
  {
    base::MutexLock lock(mutex_);
    while (true) {
      if (ended_) return std::nullopt;
      if (begun_ && !queue_.empty()) {
        protocol::Message message = std::move(queue_.front());
        queue_.pop_front();
        return message;
      }
      const TimePoint now = Clock::now();
      if (now >= GiveUpAt()) return std::nullopt;
      if (begun_ && now >= beat_at_) {
        beat_at_ = now + milliseconds(options_.heartbeat_ms);
        break;
      }
      changed_.WaitUntil(mutex_, begun_ ? std::min(beat_at_, GiveUpAt()) : GiveUpAt());
    }
  }
  return heartbeat();
}

AttachLink::TimePoint AttachLink::GiveUpAt() const {
  return heard_at_ + milliseconds(begun_ ? options_.silence_ms : options_.handshake_ms);
}

}  // namespace eider::worker
