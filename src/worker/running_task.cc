#include "worker/running_task.h"

#include <spdlog/spdlog.h>

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
                         Client client, const base::Clock& clock, OnEnd on_end, Defer defer)
    : ticket_(std::move(admitted.ticket)),
      clock_(clock),
      admitted_at_(std::chrono::steady_clock::now()),
      deadline_ms_(DeadlineOf(limits.timeout_ms, clock)),
      limits_(limits),
      on_end_(std::move(on_end)),
      defer_(std::move(defer)),
      engine_(std::move(engine)),
      permit_(std::move(admitted.permit)),
      client_(std::move(client)) {}

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
  bool inside = false;
  {
    base::MutexLock lock(mutex_);
    if (ended_ || told_at_ms_) return;
    told_at_ms_ = clock_.MonotonicMs();
    if (stop_.ok()) stop_ = why;
    inside = inside_;
    // Also while nobody is inside: DuckDB's own threads fill a stream's buffer.
    InterruptInside();
    LogTold(why);
  }
  if (!inside) EndLater(why);
}

void RunningTask::LogTold(const arrow::Status& why) const {
  spdlog::debug("told to stop: task {} attempt {}: {}", ticket_.attempt.task_id,
                ticket_.attempt.attempt, why.message());
}

void RunningTask::EndLater(const arrow::Status& why) {
  if (!defer_) return End(why);
  defer_([self = shared_from_this(), why] { self->End(why); });
}

void RunningTask::Abandon() {
  const arrow::Status why =
      MakeError(ErrorCode::kCancelled, "the client left before the end of its result");
  {
    base::MutexLock lock(mutex_);
    client_ = {};
    abandoned_ = true;
    if (ended_) return;
    if (!told_at_ms_) {
      told_at_ms_ = clock_.MonotonicMs();
      InterruptInside();
      LogTold(why);
    }
  }
  // Its thread has nothing else to do than to wait for DuckDB.
  End(why);
}

void RunningTask::Check() {
  arrow::Status why;
  {
    base::MutexLock lock(mutex_);
    if (over_at_ms_) CheckBlocked();
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
  if (client_.gone && client_.gone()) {
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

void RunningTask::CheckBlocked() {
  if (!client_.disconnect || clock_.MonotonicMs() - *over_at_ms_ < limits_.blocked_grace_ms) return;
  spdlog::warn("disconnecting the client of task {}: it has not read for too long",
               ticket_.attempt.task_id);
  std::exchange(client_.disconnect, nullptr)();
}

std::optional<int64_t> RunningTask::StoppingForMs() const {
  base::MutexLock lock(mutex_);
  if (!told_at_ms_ || over_at_ms_) return std::nullopt;
  return clock_.MonotonicMs() - *told_at_ms_;
}

bool RunningTask::Blocked() const {
  base::MutexLock lock(mutex_);
  return over_at_ms_ && !abandoned_ &&
         clock_.MonotonicMs() - *over_at_ms_ >= limits_.blocked_after_ms;
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
  {
    base::MutexLock lock(mutex_);
    over_at_ms_ = clock_.MonotonicMs();
  }
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
