#include "cmd/signals.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <utility>

namespace eider::cmd {
namespace {

// Wakes the thread so that it can end; nothing else sends it.
constexpr int kEndSignal = SIGUSR2;

sigset_t Watched() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, kEndSignal);
  return set;
}

}  // namespace

void IgnoreBrokenPipes() { std::signal(SIGPIPE, SIG_IGN); }

SignalWatch::SignalWatch(std::function<void(int)> on_first) : on_first_(std::move(on_first)) {
  const sigset_t set = Watched();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::thread([this] { Run(); });
}

SignalWatch::~SignalWatch() {
  pthread_kill(thread_.native_handle(), kEndSignal);
  thread_.join();
}

int SignalWatch::Wait() {
  base::MutexLock lock(mutex_);
  while (first_ == 0) changed_.Wait(mutex_);
  return first_;
}

void SignalWatch::Trigger() {
  base::MutexLock lock(mutex_);
  if (first_ == 0) first_ = SIGTERM;
  changed_.NotifyAll();
}

void SignalWatch::Run() {
  const sigset_t set = Watched();
  bool seen = false;
  int signal = 0;
  while (sigwait(&set, &signal) == 0) {
    if (signal == kEndSignal) return;
    if (seen) _exit(128 + signal);
    seen = true;
    {
      base::MutexLock lock(mutex_);
      first_ = signal;
      changed_.NotifyAll();
    }
    if (on_first_) on_first_(signal);
  }
}

}  // namespace eider::cmd
