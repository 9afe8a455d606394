#include "worker/engine_keeper.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

namespace eider::worker {
namespace {

constexpr std::chrono::seconds kRetry(1);

}  // namespace

EngineKeeper::EngineKeeper(std::shared_ptr<engine::Engine> engine, Open open, Probe probe,
                           Admission& admission)
    : open_(std::move(open)),
      probe_(std::move(probe)),
      admission_(admission),
      engine_(std::move(engine)),
      probed_(!probe_),
      why_(probe_ ? "storage has not been read yet" : ""),
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

void EngineKeeper::NoteTaskEnd() {
  base::MutexLock lock(mutex_);
  if (broken_ || engine_ == nullptr || !engine_->fatal()) return;
  spdlog::error("the engine failed for good; it is rebuilt once the running tasks are gone");
  broken_ = true;
  why_ = "the engine is being rebuilt";
  admission_.Withdraw(true);
  changed_.NotifyAll();
}

std::string EngineKeeper::NotReadyWhy() const {
  base::MutexLock lock(mutex_);
  return probed_ && !broken_ ? "" : why_;
}

void EngineKeeper::Loop() {
  bool retry = false;
  while (true) {
    bool broken = false;
    {
      base::MutexLock lock(mutex_);
      const auto retry_at = std::chrono::steady_clock::now() + kRetry;
      while (!stopped_ && retry && changed_.WaitUntil(mutex_, retry_at)) {
      }
      while (!stopped_ && probed_ && !broken_) changed_.Wait(mutex_);
      if (stopped_) return;
      broken = broken_;
    }
    retry = broken ? !Reopen() : !ProbeNow();
  }
}

bool EngineKeeper::ProbeNow() {
  const arrow::Status status = probe_();
  base::MutexLock lock(mutex_);
  // Once for each new reason, not for each try.
  if (!status.ok() && status.message() != why_) spdlog::warn("not ready: {}", status.message());
  probed_ = status.ok();
  if (!broken_) why_ = status.ok() ? "" : status.message();
  return status.ok();
}

bool EngineKeeper::Reopen() {
  if (!admission_.WaitIdleUntil(std::chrono::steady_clock::now() + kRetry)) return false;
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
