// Holds the worker's engine: opens it anew when it has failed for good, and knows whether it is
// ready.
#pragma once

#include <arrow/result.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "engine/engine.h"
#include "worker/admit.h"

namespace eider::worker {

// Ready: the last probe (a small read from S3) succeeded, and the engine is open. One thread probes
// until that succeeds, and again when storage is in doubt: a bucket that is out of order makes no
// worker unready, S3 out of its reach does. It also rebuilds a FATAL engine once no task holds a
// slot; meanwhile the slots are withdrawn. Thread-safe.
class EngineKeeper {
 public:
  using Open = std::function<arrow::Result<std::unique_ptr<engine::Engine>>()>;
  using Probe = std::function<arrow::Status()>;

  // `engine` is already open; an empty `probe` means ready. Storage is in doubt when it failed a
  // task, and when slots are taken and no task has ended for `doubt_after`: a task tries it for
  // half a minute before it gives up, or has a deadline before that. `admission` must outlive this.
  EngineKeeper(std::shared_ptr<engine::Engine> engine, Open open, Probe probe,
               std::chrono::milliseconds doubt_after, Admission& admission);
  ~EngineKeeper();
  EngineKeeper(const EngineKeeper&) = delete;
  EngineKeeper& operator=(const EngineKeeper&) = delete;

  // The engine; nullptr while it is being rebuilt (nobody who holds a slot sees that).
  std::shared_ptr<engine::Engine> engine() const;
  // To be called at a task's end, while its slot is still held. `storage_failed`: it ended because
  // storage was unavailable.
  void NoteTaskEnd(bool storage_failed);
  // To be called now and then, as with each heartbeat.
  void CheckProgress();
  // Empty when ready.
  std::string NotReadyWhy() const;

 private:
  void Loop();
  void Doubt() EIDER_REQUIRES(mutex_);
  // Waits until there is something to do; false when it is to stop. `pause`: no sooner than after
  // a while, as what was done last failed, or is not to be done all the time.
  bool WaitForWork(bool pause);
  void ProbeNow();
  bool Reopen();

  const Open open_;
  const Probe probe_;
  const std::chrono::milliseconds doubt_after_;
  Admission& admission_;

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::shared_ptr<engine::Engine> engine_ EIDER_GUARDED_BY(mutex_);
  bool broken_ EIDER_GUARDED_BY(mutex_) = false;
  bool probed_ EIDER_GUARDED_BY(mutex_);           // the last probe succeeded
  bool doubted_ EIDER_GUARDED_BY(mutex_) = false;  // since that probe began
  // When a task ended last, storage was asked, or no slot was taken.
  std::chrono::steady_clock::time_point progress_at_ EIDER_GUARDED_BY(mutex_);
  std::string why_ EIDER_GUARDED_BY(mutex_);  // of the last failure to probe or to reopen
  bool stopped_ EIDER_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace eider::worker
