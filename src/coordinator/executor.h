// A bounded pool of threads for work that blocks: relays, and orders to workers.
#pragma once

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace eider::coordinator {

// Starts a thread when none is idle, up to `max_threads`; beyond that, work waits in order.
// Thread-safe.
class Executor {
 public:
  explicit Executor(int max_threads) : max_threads_(max_threads) {}
  ~Executor() { Stop(); }
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Does not block. After Stop the work is dropped.
  void Post(std::function<void()> work) EIDER_EXCLUDES(mutex_);
  // As Post where a thread can take it at once; else does nothing and returns false.
  bool Offer(std::function<void()> work) EIDER_EXCLUDES(mutex_);
  // Runs what was posted, then ends the threads. Not from one of its own threads.
  void Stop() EIDER_EXCLUDES(mutex_);

 private:
  void Run() EIDER_EXCLUDES(mutex_);
  void Push(std::function<void()> work) EIDER_REQUIRES(mutex_);

  const int max_threads_;
  base::Mutex mutex_;
  base::CondVar wake_;
  bool stopped_ EIDER_GUARDED_BY(mutex_) = false;
  int idle_ EIDER_GUARDED_BY(mutex_) = 0;
  std::deque<std::function<void()>> waiting_ EIDER_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ EIDER_GUARDED_BY(mutex_);
};

}  // namespace eider::coordinator
