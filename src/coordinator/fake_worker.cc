#include "coordinator/fake_worker.h"

namespace eider::coordinator {

using base::ErrorCode;
using base::MakeError;

std::shared_ptr<arrow::RecordBatch> OneRow(int64_t value) {
  arrow::Int64Builder builder;
  (void)builder.Append(value);
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("n", arrow::int64())}), 1,
                                  {builder.Finish().ValueOrDie()});
}

// A scripted result.
class FakeStream final : public RemoteStream {
 public:
  FakeStream(FakeWorker& worker, protocol::AttemptId attempt, Script script)
      : worker_(worker),
        attempt_(std::move(attempt)),
        script_(std::move(script)),
        cancel_(std::make_shared<std::function<void()>>([this] { Cancel(); })) {}
  ~FakeStream() override {
    base::MutexLock lock(worker_.mutex_);
    cancel_.reset();
  }

  const std::shared_ptr<std::function<void()>>& cancel() const { return cancel_; }

  arrow::Status Start() override {
    if (script_.report && script_.start.ok()) worker_.Tell(protocol::Started{attempt_});
    return script_.start;
  }
  std::shared_ptr<arrow::Schema> schema() const override { return OneRow(0)->schema(); }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    if (sent_ < script_.batches) return OneRow(sent_++);
    if (script_.vanish) Finish();
    if (script_.hang || script_.vanish) {
      base::MutexLock lock(mutex_);
      while (!cancelled_) changed_.Wait(mutex_);
      return MakeError(ErrorCode::kWorkerLost, "the stream was cancelled");
    }
    if (script_.report) Finish();
    ARROW_RETURN_NOT_OK(script_.after);
    return nullptr;
  }
  void Cancel() override {
    {
      base::MutexLock lock(mutex_);
      cancelled_ = true;
    }
    changed_.NotifyAll();
  }

 private:
  void Finish() {
    protocol::Finished finished{
        .attempt = attempt_, .error = std::nullopt, .figures = {}, .written = script_.written};
    finished.figures.rows = sent_;
    finished.figures.run_us = 1'000;
    if (!script_.after.ok()) finished.error = base::ErrorOf(script_.after);
    worker_.Tell(finished);
  }

  FakeWorker& worker_;
  const protocol::AttemptId attempt_;
  const Script script_;
  std::shared_ptr<std::function<void()>> cancel_;
  int sent_ = 0;
  base::Mutex mutex_;
  base::CondVar changed_;
  bool cancelled_ EIDER_GUARDED_BY(mutex_) = false;
};

arrow::Result<std::unique_ptr<protocol::Channel>> FakeWorker::Attach() {
  if (server_.joinable()) {
    bool may_return = false;
    {
      base::MutexLock lock(mutex_);
      may_return = std::exchange(may_return_, false);
    }
    if (!may_return) {
      Kill();
      return MakeError(ErrorCode::kWorkerLost, "it is dead");
    }
    server_.join();
    base::MutexLock lock(mutex_);
    session_ = nullptr;
  }
  auto [ours, theirs] = protocol::PairedChannel::Make();
  {
    base::MutexLock lock(mutex_);
    if (dead_) return MakeError(ErrorCode::kWorkerLost, "it is dead");
    channel_ = std::move(ours);
  }
  server_ = std::thread([this] { Serve(); });
  return std::move(theirs);
}

void FakeWorker::Serve() {
  protocol::Channel* channel = nullptr;
  {
    base::MutexLock lock(mutex_);
    channel = channel_.get();
  }
  auto session = protocol::Session::Accept(*channel, key_, id_);
  if (!session.ok()) return;
  protocol::Session* const receiver = session->get();
  protocol::Superseded seen;
  {
    base::MutexLock lock(mutex_);
    ++attaches_.first;
    attaches_.second = receiver->epoch();
    session_ = std::move(*session);
    seen = seen_;
    may_return_ = receiver->epoch() <= seen.epoch;
  }
  changed_.NotifyAll();
  if (receiver->epoch() <= seen.epoch) return Tell(seen);
  Tell(protocol::Hello{.worker_id = id_, .boot_id = "boot", .slots = slots_});
  Tell(protocol::Heartbeat{.ready = true});
  while (true) {
    const auto message = receiver->Receive();
    if (!message.ok() || !*message) return;
  }
}

void FakeWorker::Tell(const protocol::Message& message) {
  base::MutexLock lock(mutex_);
  if (session_ != nullptr && !dead_) (void)session_->Send(message);
}

arrow::Result<std::unique_ptr<RemoteStream>> FakeWorker::Run(const std::string& ticket) {
  ARROW_ASSIGN_OR_RAISE(protocol::Ticket opened, protocol::OpenTicket(ticket, key_));
  std::unique_ptr<FakeStream> stream;
  {
    base::MutexLock lock(mutex_);
    if (dead_) return MakeError(ErrorCode::kWorkerLost, "it is dead");
    Script script;
    if (!scripts_.empty()) script = scripts_.front();
    if (scripts_.size() > 1) scripts_.pop_front();
    tickets_.push_back(opened);
    stream = std::make_unique<FakeStream>(*this, opened.attempt, std::move(script));
    cancels_.push_back(stream->cancel());
  }
  changed_.NotifyAll();
  return stream;
}

arrow::Status FakeWorker::Send(const std::string& command, int64_t) {
  ARROW_ASSIGN_OR_RAISE(protocol::Command opened, protocol::OpenCommand(command, key_));
  base::MutexLock lock(mutex_);
  commands_.push_back(std::move(opened));
  changed_.NotifyAll();
  while (held_ && !dead_) changed_.Wait(mutex_);
  if (refused_ == 0) return arrow::Status::OK();
  --refused_;
  return MakeError(ErrorCode::kOverloaded, "not now");
}

size_t FakeWorker::commands() const {
  base::MutexLock lock(mutex_);
  return commands_.size();
}

void FakeWorker::HoldCommands() {
  base::MutexLock lock(mutex_);
  held_ = true;
}

void FakeWorker::ReleaseCommands() {
  base::MutexLock lock(mutex_);
  held_ = false;
  changed_.NotifyAll();
}

void FakeWorker::RefuseCommands(int count) {
  base::MutexLock lock(mutex_);
  refused_ = count;
}

void FakeWorker::SetEpoch(protocol::Superseded seen) {
  base::MutexLock lock(mutex_);
  seen_ = seen;
}

void FakeWorker::Detach() {
  base::MutexLock lock(mutex_);
  may_return_ = true;
  if (channel_ != nullptr) channel_->Cancel();
}

std::pair<int, int64_t> FakeWorker::attaches() const {
  base::MutexLock lock(mutex_);
  return attaches_;
}

void FakeWorker::SetScripts(std::vector<Script> scripts) {
  base::MutexLock lock(mutex_);
  scripts_.assign(scripts.begin(), scripts.end());
}

void FakeWorker::Kill() {
  {
    base::MutexLock lock(mutex_);
    dead_ = true;
    changed_.NotifyAll();
    if (channel_ != nullptr) channel_->Cancel();
    for (const auto& cancel : cancels_) {
      if (const auto alive = cancel.lock()) (*alive)();
    }
    cancels_.clear();
  }
  if (server_.joinable() && server_.get_id() != std::this_thread::get_id()) server_.join();
}

std::vector<protocol::Ticket> FakeWorker::tickets() const {
  base::MutexLock lock(mutex_);
  return tickets_;
}

protocol::Command FakeWorker::WaitForCommand() {
  base::MutexLock lock(mutex_);
  while (commands_.empty()) changed_.Wait(mutex_);
  protocol::Command command = std::move(commands_.front());
  commands_.pop_front();
  return command;
}

}  // namespace eider::coordinator
