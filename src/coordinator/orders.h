// Orders to workers: calls that block for a worker's answer.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "coordinator/executor.h"

namespace eider::coordinator {

// A worker's orders begin in order, `max_per_worker` of them at a time, so that one that does not
// answer delays its own alone. Thread-safe.
class Orders {
 public:
  Orders(int max_threads, int max_per_worker)
      : max_per_worker_(max_per_worker), executor_(max_threads) {}
  ~Orders() { Stop(); }

  // Does not block. After Stop the order is dropped.
  void Post(const std::string& worker_id, std::function<void()> order) EIDER_EXCLUDES(mutex_);
  // Runs what was posted, then ends the threads.
  void Stop() { executor_.Stop(); }

 private:
  struct Lane {
    int under_way = 0;
    std::deque<std::function<void()>> waiting;
  };

  // Runs the worker's orders until none waits.
  void Run(const std::string& worker_id) EIDER_EXCLUDES(mutex_);

  const int max_per_worker_;
  base::Mutex mutex_;
  std::unordered_map<std::string, Lane> lanes_ EIDER_GUARDED_BY(mutex_);  // of those with orders
  Executor executor_;
};

}  // namespace eider::coordinator
