// Holds the worker's engine: opens it anew when it has failed for good, and knows whether it is
// ready.
#pragma once

#include <arrow/result.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "engine/engine.h"
#include "worker/admit.h"

namespace eider::worker {

// Ready: the probe (a small read from S3) has succeeded since the start, and the engine is open.
// One thread repeats the probe, and rebuilds a FATAL engine once no task holds a slot; meanwhile
// the slots are withdrawn. Thread-safe.
class EngineKeeper {
 public:
  using Open = std::function<arrow::Result<std::unique_ptr<engine::Engine>>()>;
  using Probe = std::function<arrow::Status()>;

  // `engine` is already open; an empty `probe` means ready. `admission` must outlive this.
  EngineKeeper(std::shared_ptr<engine::Engine> engine, Open open, Probe probe,
               Admission& admission);
  ~EngineKeeper();
  EngineKeeper(const EngineKeeper&) = delete;
  EngineKeeper& operator=(const EngineKeeper&) = delete;

  // The engine; nullptr while it is being rebuilt (nobody who holds a slot sees that).
  std::shared_ptr<engine::Engine> engine() const;
  // To be called at a task's end, while its slot is still held.
  void NoteTaskEnd();
  // Empty when ready.
  std::string NotReadyWhy() const;

 private:
  void Loop();
  bool ProbeNow();
  bool Reopen();

  const Open open_;
  const Probe probe_;
  Admission& admission_;

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::shared_ptr<engine::Engine> engine_ EIDER_GUARDED_BY(mutex_);
  bool broken_ EIDER_GUARDED_BY(mutex_) = false;
  bool probed_ EIDER_GUARDED_BY(mutex_);
  std::string why_ EIDER_GUARDED_BY(mutex_);  // of the last failure to probe or to reopen
  bool stopped_ EIDER_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace eider::worker
