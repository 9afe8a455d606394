#include "worker/engine_keeper.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

namespace eider::worker {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kRetry(1);

}  // namespace

EngineKeeper::EngineKeeper(std::shared_ptr<engine::Engine> engine, Open open, Probe probe,
                           std::chrono::milliseconds doubt_after, Admission& admission)
    : open_(std::move(open)),
      probe_(std::move(probe)),
      doubt_after_(doubt_after),
      admission_(admission),
      engine_(std::move(engine)),
      probed_(!probe_),
      why_(probe_ ? "storage has not been read yet" : ""),
      progress_at_(Clock::now()),
      thread_([this] { Loop(); }) {}

EngineKeeper::~EngineKeeper() {
  {
    base::MutexLock lock(mutex_);
    stopped_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

std::shared_ptr<engine::Engine> EngineKeeper::engine() const {
  base::MutexLock lock(mutex_);
  return engine_;
}

void EngineKeeper::NoteTaskEnd(bool storage_failed) {
  base::MutexLock lock(mutex_);
  progress_at_ = Clock::now();
  if (storage_failed) Doubt();
  if (broken_ || engine_ == nullptr || !engine_->fatal()) return;
  spdlog::error("the engine failed for good; it is rebuilt once the running tasks are gone");
  broken_ = true;
  why_ = "the engine is being rebuilt";
  admission_.Withdraw(true);
  changed_.NotifyAll();
}

void EngineKeeper::CheckProgress() {
  const auto now = Clock::now();
  const bool idle = admission_.occupied() == 0;
  base::MutexLock lock(mutex_);
  if (idle) progress_at_ = now;
  if (now - progress_at_ >= doubt_after_) Doubt();
}

void EngineKeeper::Doubt() {
  if (!probe_ || doubted_) return;
  doubted_ = true;
  changed_.NotifyAll();
}

std::string EngineKeeper::NotReadyWhy() const {
  base::MutexLock lock(mutex_);
  return probed_ && !broken_ ? "" : why_;
}

void EngineKeeper::Loop() {
  bool pause = false;
  while (WaitForWork(pause)) {
    bool broken = false;
    {
      base::MutexLock lock(mutex_);
      broken = broken_;
    }
    if (broken) {
      pause = !Reopen();
    } else {
      ProbeNow();
      pause = true;
    }
  }
}

bool EngineKeeper::WaitForWork(bool pause) {
  base::MutexLock lock(mutex_);
  const auto until = Clock::now() + kRetry;
  while (!stopped_ && pause && changed_.WaitUntil(mutex_, until)) {
  }
  while (!stopped_ && probed_ && !broken_ && !doubted_) changed_.Wait(mutex_);
  return !stopped_;
}

void EngineKeeper::ProbeNow() {
  {
    base::MutexLock lock(mutex_);
    doubted_ = false;
    progress_at_ = Clock::now();
  }
  const arrow::Status status = probe_();
  base::MutexLock lock(mutex_);
  // Once for each new reason, not for each try.
  if (!status.ok() && status.message() != why_) spdlog::warn("not ready: {}", status.message());
  if (status.ok() && !probed_) spdlog::info("ready: storage answers");
  probed_ = status.ok();
  if (!broken_) why_ = status.ok() ? "" : status.message();
}

bool EngineKeeper::Reopen() {
  if (!admission_.WaitIdleUntil(Clock::now() + kRetry)) return false;
  std::shared_ptr<engine::Engine> old;
  {
    base::MutexLock lock(mutex_);
    old = std::move(engine_);
  }
  // The old one goes first: two would share one memory budget and one directory for spilling.
  old.reset();
  auto opened = open_();
  base::MutexLock lock(mutex_);
  if (!opened.ok()) {
    why_ = "the engine cannot be opened: " + opened.status().message();
    spdlog::error(why_);
    return false;
  }
  spdlog::info("the engine was rebuilt");
  engine_ = *std::move(opened);
  broken_ = false;
  why_ = probed_ ? "" : "storage has not been read yet";
  admission_.Withdraw(false);
  return true;
}

}  // namespace eider::worker
