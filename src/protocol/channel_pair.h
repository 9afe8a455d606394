// Two Channels joined in memory: for tests of what speaks over one.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/mutex.h"
#include "protocol/channel.h"

namespace eider::protocol {

// One end of a pair. Destroying an end is its orderly end: the other reads nullopt.
class PairedChannel final : public Channel {
 public:
  static std::pair<std::unique_ptr<PairedChannel>, std::unique_ptr<PairedChannel>> Make() {
    auto left = std::make_shared<Queue>();
    auto right = std::make_shared<Queue>();
    return {std::unique_ptr<PairedChannel>(new PairedChannel(left, right)),
            std::unique_ptr<PairedChannel>(new PairedChannel(right, left))};
  }

  ~PairedChannel() override {
    base::MutexLock lock(sends_->mutex);
    sends_->ended = true;
    sends_->changed.NotifyAll();
  }

  arrow::Status Send(const std::string& message) override {
    base::MutexLock lock(sends_->mutex);
    if (sends_->cancelled) return Cancelled();
    sends_->messages.push_back(message);
    sends_->changed.NotifyAll();
    return arrow::Status::OK();
  }

  arrow::Result<std::optional<std::string>> Receive() override {
    base::MutexLock lock(receives_->mutex);
    while (receives_->messages.empty() && !receives_->ended && !receives_->cancelled) {
      receives_->changed.Wait(receives_->mutex);
    }
    if (receives_->cancelled) return Cancelled();
    if (receives_->messages.empty()) return std::nullopt;
    std::string message = std::move(receives_->messages.front());
    receives_->messages.pop_front();
    return message;
  }

  void Cancel() override {
    for (Queue* queue : {sends_.get(), receives_.get()}) {
      base::MutexLock lock(queue->mutex);
      queue->cancelled = true;
      queue->changed.NotifyAll();
    }
  }

 private:
  struct Queue {
    base::Mutex mutex;
    base::CondVar changed;
    std::deque<std::string> messages EIDER_GUARDED_BY(mutex);
    bool ended EIDER_GUARDED_BY(mutex) = false;
    bool cancelled EIDER_GUARDED_BY(mutex) = false;
  };

  static arrow::Status Cancelled() {
    return base::MakeError(base::ErrorCode::kCancelled, "the channel was cancelled");
  }

  PairedChannel(std::shared_ptr<Queue> sends, std::shared_ptr<Queue> receives)
      : sends_(std::move(sends)), receives_(std::move(receives)) {}

  const std::shared_ptr<Queue> sends_;
  const std::shared_ptr<Queue> receives_;
};

}  // namespace eider::protocol
