// SIGINT and SIGTERM as events on a thread, so that nothing runs inside a signal handler.
#pragma once

#include <functional>
#include <thread>

#include "base/mutex.h"

namespace eider::cmd {

// For servers: a client that went away is an error of its write, not the process's end.
void IgnoreBrokenPipes();

// Make one before any other thread exists: they inherit its signal mask. The first signal wakes
// Wait() and calls `on_first`; a second one ends the process at once with 128 + its number.
class SignalWatch {
 public:
  explicit SignalWatch(std::function<void(int signal)> on_first = {});
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  // Blocks until the first signal; returns its number.
  int Wait() EIDER_EXCLUDES(mutex_);
  // Ends Wait() as SIGTERM does, but does not count as the first signal.
  void Trigger() EIDER_EXCLUDES(mutex_);

 private:
  void Run();

  const std::function<void(int)> on_first_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  int first_ EIDER_GUARDED_BY(mutex_) = 0;
  std::thread thread_;  // last: it uses the rest
};

}  // namespace eider::cmd
