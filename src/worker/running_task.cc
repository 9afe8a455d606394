#include "worker/running_task.h"

#include <limits>
#include <string>
#include <utility>

#include "base/error.h"

namespace eider::worker {
namespace {

using base::ErrorCode;
using base::MakeError;

int64_t DeadlineOf(int64_t timeout_ms, const base::Clock& clock) {
  const int64_t now_ms = clock.MonotonicMs();
  constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  return timeout_ms > 0 && timeout_ms < kNever - now_ms ? now_ms + timeout_ms : kNever;
}

int64_t MicrosSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                               start)
      .count();
}

}  // namespace

RunningTask::RunningTask(Admitted admitted, std::shared_ptr<engine::Engine> engine, Limits limits,
                         std::function<bool()> client_gone, const base::Clock& clock, OnEnd on_end)
    : ticket_(std::move(admitted.ticket)),
      clock_(clock),
      admitted_at_(std::chrono::steady_clock::now()),
      deadline_ms_(DeadlineOf(limits.timeout_ms, clock)),
      limits_(limits),
      on_end_(std::move(on_end)),
      engine_(std::move(engine)),
      permit_(std::move(admitted.permit)),
      client_gone_(std::move(client_gone)) {}

arrow::Status RunningTask::Execute() {
  engine::Engine* engine = nullptr;
  {
    base::MutexLock lock(mutex_);
    engine = engine_.get();  // stays: inside_ holds
  }
  engine::Statement statement{.sql = ticket_.sql,
                              .arguments = ticket_.arguments,
                              .write = ticket_.write,
                              .cache_mode = ticket_.cache_mode,
                              .deadline = Deadline(),
                              .on_interruptible = [this](std::function<void()> interrupt) {
                                SetInterrupt(std::move(interrupt));
                              }};
  auto execution = engine->Execute(statement);
  arrow::Status status = execution.status();
  {
    base::MutexLock lock(mutex_);
    if (execution.ok()) {
      execution_ = *std::move(execution);
      schema_ = execution_->schema();
    }
    if (!stop_.ok()) status = stop_;
    Leave();
  }
  if (!status.ok()) End(status);
  return status;
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> RunningTask::Next() {
  engine::Execution* execution = nullptr;
  {
    base::MutexLock lock(mutex_);
    if (!stop_.ok()) return stop_;
    if (ended_) return nullptr;
    inside_ = true;
    execution = execution_.get();
  }
  auto batch = execution->Next();
  {
    base::MutexLock lock(mutex_);
    Leave();
    if (!stop_.ok()) batch = stop_;
    if (first_batch_us_ == 0) first_batch_us_ = MicrosSince(admitted_at_);
    if (batch.ok() && *batch != nullptr) return batch;
  }
  End(batch.status());
  return batch;
}

void RunningTask::Interrupt(const arrow::Status& why) {
  {
    base::MutexLock lock(mutex_);
    if (ended_) return;
    if (stop_.ok()) stop_ = why;
    if (inside_) {
      InterruptInside();
      return;
    }
  }
  End(why);
}

void RunningTask::Abandon() {
  {
    base::MutexLock lock(mutex_);
    client_gone_ = nullptr;
  }
  Interrupt(MakeError(ErrorCode::kCancelled, "the client left before the end of its result"));
}

void RunningTask::Check() {
  arrow::Status why;
  {
    base::MutexLock lock(mutex_);
    if (ended_) return;
    if (!stop_.ok()) {
      // An engine may lose an interrupt that falls between two of its phases: say it again.
      if (inside_) InterruptInside();
      return;
    }
    why = Overdue();
  }
  if (!why.ok()) Interrupt(why);
}

arrow::Status RunningTask::Overdue() {
  if (client_gone_ && client_gone_()) {
    return MakeError(ErrorCode::kCancelled, "the client went away");
  }
  const int64_t now_ms = clock_.MonotonicMs();
  if (now_ms >= deadline_ms_) {
    return MakeError(ErrorCode::kDeadlineExceeded,
                     "the query ran longer than its " + std::to_string(limits_.timeout_ms) + " ms");
  }
  if (!inside_ && limits_.stall_timeout_ms > 0 &&
      now_ms - left_at_ms_ >= limits_.stall_timeout_ms) {
    return MakeError(ErrorCode::kCancelled, "the client did not read its result for " +
                                                std::to_string(limits_.stall_timeout_ms) + " ms");
  }
  return arrow::Status::OK();
}

void RunningTask::SetInterrupt(std::function<void()> interrupt) {
  base::MutexLock lock(mutex_);
  interrupt_ = std::move(interrupt);
  if (!stop_.ok()) InterruptInside();
}

void RunningTask::InterruptInside() {
  if (interrupt_) interrupt_();
  if (execution_) execution_->Cancel();
}

void RunningTask::Leave() {
  inside_ = false;
  left_at_ms_ = clock_.MonotonicMs();
}

void RunningTask::End(const arrow::Status& status) {
  protocol::Finished finished{
      .attempt = ticket_.attempt, .error = std::nullopt, .figures = {}, .written = {}};
  std::unique_ptr<engine::Execution> execution;
  std::shared_ptr<engine::Engine> engine;
  std::function<void()> interrupt;
  SlotPermit permit;
  {
    base::MutexLock lock(mutex_);
    if (ended_) return;
    ended_ = true;
    if (stop_.ok()) stop_ = status;
    if (!stop_.ok()) finished.error = base::ErrorOf(stop_);
    finished.figures = FiguresNow();
    if (execution_) finished.written = execution_->written();
    execution = std::move(execution_);
    engine = std::move(engine_);
    interrupt = std::move(interrupt_);
    permit = std::move(permit_);
  }
  interrupt = nullptr;
  execution.reset();
  engine.reset();
  on_end_(finished, std::move(permit));
}

std::chrono::steady_clock::time_point RunningTask::Deadline() const {
  using TimePoint = std::chrono::steady_clock::time_point;
  if (limits_.timeout_ms <= 0) return TimePoint::max();
  const auto room =
      std::chrono::duration_cast<std::chrono::milliseconds>(TimePoint::max() - admitted_at_);
  const std::chrono::milliseconds timeout(limits_.timeout_ms);
  return timeout < room ? admitted_at_ + timeout : TimePoint::max();
}

protocol::Figures RunningTask::FiguresNow() const {
  protocol::Figures figures = execution_ ? execution_->figures() : protocol::Figures{};
  figures.run_us = MicrosSince(admitted_at_);
  figures.first_batch_us = first_batch_us_;
  return figures;
}

}  // namespace eider::worker
