#include "worker/attach.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/error.h"
#include "protocol/handshake.h"
#include "worker/attach_link.h"

namespace eider::worker {

using base::ErrorCode;
using base::MakeError;

Attachments::Attachments(Options options, protocol::ClusterKey key,
                         std::function<protocol::Hello()> hello,
                         std::function<protocol::Heartbeat()> heartbeat)
    : options_(std::move(options)),
      key_(std::move(key)),
      hello_(std::move(hello)),
      heartbeat_(std::move(heartbeat)) {}

arrow::Status Attachments::Serve(protocol::Channel& channel) {
  const auto link = std::make_shared<AttachLink>(channel, options_);
  ARROW_RETURN_NOT_OK(Enter(link));
  std::thread writer([&] { link->Write(heartbeat_); });

  arrow::Status status = Handshake(*link);
  // A superseded coordinator is read from until it ends the stream, or its writer does.
  if (status.ok() && TakeOver(link)) link->Begin(hello_());
  while (status.ok()) {
    auto message = link->session->Receive();
    status = message.status();
    if (!status.ok() || !message->has_value()) break;
    link->Heard();
  }

  link->End();
  writer.join();
  Exit(link);
  return status;
}

arrow::Status Attachments::Handshake(AttachLink& link) {
  auto session = protocol::Session::Accept(link.channel(), key_, options_.worker_id);
  if (!session.ok()) {
    spdlog::warn("refused an attach stream: {}", session.status().message());
    return session.status();
  }
  link.session = *std::move(session);
  return arrow::Status::OK();
}

bool Attachments::TakeOver(const std::shared_ptr<AttachLink>& link) {
  const int64_t epoch = link->session->epoch();
  const std::string& id = link->session->peer_id();
  std::shared_ptr<AttachLink> previous;
  {
    base::MutexLock lock(mutex_);
    const bool first = coordinator_id_.empty();
    const bool again = epoch == epoch_ && id == coordinator_id_;
    if (!first && !again && epoch <= epoch_) {
      spdlog::warn("coordinator {} of epoch {} came after one of epoch {}", id, epoch, epoch_);
      link->Supersede({.epoch = epoch_, .attached = current_ != nullptr});
      return false;
    }
    previous = std::exchange(current_, link);
    epoch_ = epoch;
    coordinator_id_ = id;
  }
  spdlog::info("attached to coordinator {} of epoch {}", id, epoch);
  // Of the same coordinator's two streams the older one is dead already; it is told all the same.
  if (previous != nullptr) previous->Supersede({.epoch = epoch, .attached = true});
  return true;
}

void Attachments::Emit(protocol::Message event) {
  std::shared_ptr<AttachLink> link;
  {
    base::MutexLock lock(mutex_);
    link = current_;
  }
  if (link != nullptr) link->Push(std::move(event));
}

arrow::Status Attachments::Enter(const std::shared_ptr<AttachLink>& link) {
  base::MutexLock lock(mutex_);
  if (stopped_) return MakeError(ErrorCode::kWorkerLost, "the worker is stopping");
  if (static_cast<int>(links_.size()) >= options_.max_streams) {
    return MakeError(ErrorCode::kOverloaded, "too many attach streams");
  }
  links_.push_back(link);
  return arrow::Status::OK();
}

void Attachments::Exit(const std::shared_ptr<AttachLink>& link) {
  base::MutexLock lock(mutex_);
  std::erase(links_, link);
  if (current_ == link) current_ = nullptr;
}

void Attachments::Stop() {
  std::vector<std::shared_ptr<AttachLink>> links;
  {
    base::MutexLock lock(mutex_);
    stopped_ = true;
    links = links_;
  }
  for (const auto& link : links) link->End();
}

bool Attachments::attached() const {
  base::MutexLock lock(mutex_);
  return current_ != nullptr;
}

}  // namespace eider::worker
