// What a coordinator orders: cancel, clear_cache, invalidate, drain; and the drain itself.
#include <spdlog/spdlog.h>

#include <chrono>
#include <string>

#include "base/error.h"
#include "worker/worker.h"

namespace eider::worker {
namespace {

using base::ErrorCode;
using base::MakeError;
using std::chrono::milliseconds;

// What an interrupted task gets to notice it.
constexpr milliseconds kInterruptGrace(5'000);

bool Matches(const protocol::AttemptId& running, const protocol::AttemptId& named) {
  return running.task_id == named.task_id &&
         (named.attempt == 0 || running.attempt == named.attempt);
}

}  // namespace

arrow::Status Worker::Execute(std::string_view sealed) {
  ARROW_ASSIGN_OR_RAISE(const protocol::Command command, admission_.AdmitCommand(sealed));
  switch (command.kind) {
    case protocol::Command::Kind::kCancel:
      CancelTask(command);
      return arrow::Status::OK();
    case protocol::Command::Kind::kClearCache:
      return ClearCache();
    case protocol::Command::Kind::kInvalidate:
      return Invalidate(command);
    case protocol::Command::Kind::kDrain:
      if (!admission_.draining()) {
        spdlog::info("the coordinator ordered a drain");
        admission_.Drain();
        if (options_.on_drain) options_.on_drain();
      }
      return arrow::Status::OK();
  }
  return MakeError(ErrorCode::kInternal, "unknown command");
}

void Worker::CancelTask(const protocol::Command& command) {
  const std::string why = command.reason.empty() ? "the query was cancelled" : command.reason;
  // Its ticket may still be on its way, or never come: its slot is free now.
  if (admission_.Revoke(command.attempt)) {
    attachments_.Emit(protocol::Finished{
        .attempt = command.attempt,
        .error = base::ErrorInfo{.code = ErrorCode::kCancelled, .message = why}});
  }
  for (const auto& task : tasks_.All()) {
    if (Matches(task->attempt(), command.attempt)) {
      task->Interrupt(MakeError(ErrorCode::kCancelled, why));
    }
  }
}

arrow::Status Worker::ClearCache() {
  const std::shared_ptr<engine::Engine> engine = keeper_.engine();
  // A rebuilt engine begins with nothing in its cache.
  return engine ? engine->ClearCache() : arrow::Status::OK();
}

arrow::Status Worker::Invalidate(const protocol::Command& command) {
  const std::shared_ptr<engine::Engine> engine = keeper_.engine();
  // Its disk cache outlives it.
  if (!engine) return MakeError(ErrorCode::kOverloaded, "the engine is being rebuilt");
  engine->Invalidate(command.urls);
  return arrow::Status::OK();
}

arrow::Status Worker::Drain(int64_t timeout_ms) {
  admission_.Drain();
  const auto start = std::chrono::steady_clock::now();
  if (admission_.WaitIdleUntil(start + milliseconds(timeout_ms))) return arrow::Status::OK();
  spdlog::warn("interrupting {} tasks that did not finish within {} ms", admission_.occupied(),
               timeout_ms);
  for (const auto& task : tasks_.All()) {
    task->Interrupt(MakeError(ErrorCode::kWorkerLost,
                              "worker " + options_.id + " is shutting down; send the query again"));
  }
  if (admission_.WaitIdleUntil(std::chrono::steady_clock::now() + kInterruptGrace)) {
    return arrow::Status::OK();
  }
  return MakeError(ErrorCode::kDeadlineExceeded, "a task did not end when it was interrupted");
}

}  // namespace eider::worker
