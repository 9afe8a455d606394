// One admitted task, from its permit to its one end.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/result.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/mutex.h"
#include "engine/engine.h"
#include "protocol/message.h"
#include "worker/admit.h"

namespace eider::worker {

// Ends exactly once, by whichever comes first: the proper end, an error, an interrupt while nobody
// is inside, or the stream's destruction. At its end the execution is gone first, then `on_end`
// hears of it; on_end gets the permit to release. Thread-safe, except that Execute and Next are
// called by one thread at a time.
class RunningTask {
 public:
  using OnEnd = std::function<void(const protocol::Finished&, SlotPermit)>;
  struct Limits {
    int64_t timeout_ms = 0;        // from now to the end; 0: none
    int64_t stall_timeout_ms = 0;  // between two calls of Next; 0: none
  };

  RunningTask(Admitted admitted, std::shared_ptr<engine::Engine> engine, Limits limits,
              std::function<bool()> client_gone, const base::Clock& clock, OnEnd on_end);

  const protocol::AttemptId& attempt() const { return ticket_.attempt; }

  // Binds and starts the statement. On an error the task has ended.
  arrow::Status Execute();
  // REQUIRES: Execute succeeded.
  std::shared_ptr<arrow::Schema> schema() const { return schema_; }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next();

  // Stops the task; its error is `why` (the first one given). Ends it at once when no Execute or
  // Next is under way: its slot then is free even if its client never comes back for more.
  void Interrupt(const arrow::Status& why);
  // The client's side is being destroyed: `client_gone` is not called after this has returned, and
  // a task that is not over ends as CANCELLED.
  void Abandon();
  // For the watchdog: interrupts when the client is gone, the deadline has passed, or nobody has
  // asked for the next batch for too long.
  void Check();

 private:
  void SetInterrupt(std::function<void()> interrupt);
  void InterruptInside() EIDER_REQUIRES(mutex_);
  void Leave() EIDER_REQUIRES(mutex_);
  void End(const arrow::Status& status);
  std::chrono::steady_clock::time_point Deadline() const;
  protocol::Figures FiguresNow() const EIDER_REQUIRES(mutex_);
  arrow::Status Overdue() EIDER_REQUIRES(mutex_);

  const protocol::Ticket ticket_;
  const base::Clock& clock_;
  const std::chrono::steady_clock::time_point admitted_at_;
  const int64_t deadline_ms_;
  const Limits limits_;
  const OnEnd on_end_;
  std::shared_ptr<arrow::Schema> schema_;  // set by Execute, constant afterwards

  mutable base::Mutex mutex_;
  std::shared_ptr<engine::Engine> engine_ EIDER_GUARDED_BY(mutex_);
  std::unique_ptr<engine::Execution> execution_ EIDER_GUARDED_BY(mutex_);
  SlotPermit permit_ EIDER_GUARDED_BY(mutex_);
  std::function<bool()> client_gone_ EIDER_GUARDED_BY(mutex_);
  std::function<void()> interrupt_ EIDER_GUARDED_BY(mutex_);
  // A call of Execute or Next is under way, in which execution_ stays what it is.
  bool inside_ EIDER_GUARDED_BY(mutex_) = true;
  bool ended_ EIDER_GUARDED_BY(mutex_) = false;
  arrow::Status stop_ EIDER_GUARDED_BY(mutex_);  // why it was interrupted or failed
  int64_t left_at_ms_ EIDER_GUARDED_BY(mutex_) = 0;
  int64_t first_batch_us_ EIDER_GUARDED_BY(mutex_) = 0;
};

}  // namespace eider::worker
