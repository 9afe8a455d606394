// One admitted task, from its permit to its one end.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/result.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/mutex.h"
#include "engine/engine.h"
#include "protocol/message.h"
#include "worker/admit.h"
#include "worker/service.h"

namespace eider::worker {

// Ends exactly once, by whichever comes first: the proper end, an error, an interrupt while nobody
// is inside, or the stream's destruction. At its end the execution is gone first, then `on_end`
// hears of it; on_end gets the permit to release. Thread-safe, except that Execute and Next are
// called by one thread at a time.
class RunningTask : public std::enable_shared_from_this<RunningTask> {
 public:
  using OnEnd = std::function<void(const protocol::Finished&, SlotPermit)>;
  // Runs what may wait for DuckDB; empty: there and then.
  using Defer = std::function<void(std::function<void()>)>;
  struct Limits {
    int64_t timeout_ms = 0;        // from now to the end; 0: none
    int64_t stall_timeout_ms = 0;  // between two calls of Next; 0: none
    // Of a stream whose task has ended and whose thread does not come back from its write: when it
    // counts as blocked, and when its client is disconnected.
    int64_t blocked_after_ms = 1'000;
    int64_t blocked_grace_ms = 5'000;
  };

  RunningTask(Admitted admitted, std::shared_ptr<engine::Engine> engine, Limits limits,
              Client client, const base::Clock& clock, OnEnd on_end, Defer defer = {});

  const protocol::AttemptId& attempt() const { return ticket_.attempt; }

  // Binds and starts the statement. On an error the task has ended.
  arrow::Status Execute();
  // REQUIRES: Execute succeeded.
  std::shared_ptr<arrow::Schema> schema() const { return schema_; }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next();

  // Stops the task; its error is `why` (the first one given). Ends it, by `defer`, when no Execute
  // or Next is under way: its slot then is free even if its client never comes back for more. Does
  // not block.
  void Interrupt(const arrow::Status& why);
  // The client's side is being destroyed: nothing of `client` is called after this has returned,
  // and a task that is not over ends as CANCELLED.
  void Abandon();
  // For the watchdog: interrupts when the client is gone, the deadline has passed, or nobody has
  // asked for the next batch for too long; disconnects the client of a blocked stream.
  void Check();

  // How long ago it was told to stop, while it has not ended.
  std::optional<int64_t> StoppingForMs() const;
  // It has ended, but its stream is in a write that does not return.
  bool Blocked() const;

 private:
  void SetInterrupt(std::function<void()> interrupt);
  void InterruptInside() EIDER_REQUIRES(mutex_);
  void Leave() EIDER_REQUIRES(mutex_);
  void End(const arrow::Status& status);
  void LogTold(const arrow::Status& why) const;
  void EndLater(const arrow::Status& why);
  void CheckBlocked() EIDER_REQUIRES(mutex_);
  std::chrono::steady_clock::time_point Deadline() const;
  protocol::Figures FiguresNow() const EIDER_REQUIRES(mutex_);
  arrow::Status Overdue() EIDER_REQUIRES(mutex_);

  const protocol::Ticket ticket_;
  const base::Clock& clock_;
  const std::chrono::steady_clock::time_point admitted_at_;
  const int64_t deadline_ms_;
  const Limits limits_;
  const OnEnd on_end_;
  const Defer defer_;
  std::shared_ptr<arrow::Schema> schema_;  // set by Execute, constant afterwards

  mutable base::Mutex mutex_;
  std::shared_ptr<engine::Engine> engine_ EIDER_GUARDED_BY(mutex_);
  std::unique_ptr<engine::Execution> execution_ EIDER_GUARDED_BY(mutex_);
  SlotPermit permit_ EIDER_GUARDED_BY(mutex_);
  Client client_ EIDER_GUARDED_BY(mutex_);
  bool abandoned_ EIDER_GUARDED_BY(mutex_) = false;
  std::function<void()> interrupt_ EIDER_GUARDED_BY(mutex_);
  // A call of Execute or Next is under way, in which execution_ stays what it is.
  bool inside_ EIDER_GUARDED_BY(mutex_) = true;
  bool ended_ EIDER_GUARDED_BY(mutex_) = false;
  arrow::Status stop_ EIDER_GUARDED_BY(mutex_);  // why it was interrupted or failed
  int64_t left_at_ms_ EIDER_GUARDED_BY(mutex_) = 0;
  std::optional<int64_t> told_at_ms_ EIDER_GUARDED_BY(mutex_);  // to stop
  std::optional<int64_t> over_at_ms_ EIDER_GUARDED_BY(mutex_);  // the slot is free
  int64_t first_batch_us_ EIDER_GUARDED_BY(mutex_) = 0;
};

}  // namespace eider::worker
