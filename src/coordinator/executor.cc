#include "coordinator/executor.h"

#include <utility>

namespace eider::coordinator {

void Executor::Post(std::function<void()> work) {
  base::MutexLock lock(mutex_);
  if (!stopped_) Push(std::move(work));
}

bool Executor::Offer(std::function<void()> work) {
  base::MutexLock lock(mutex_);
  const bool all_busy = static_cast<int>(waiting_.size()) >= idle_;
  if (stopped_ || (all_busy && static_cast<int>(threads_.size()) >= max_threads_)) return false;
  Push(std::move(work));
  return true;
}

void Executor::Push(std::function<void()> work) {
  waiting_.push_back(std::move(work));
  const bool all_busy = static_cast<int>(waiting_.size()) > idle_;
  if (all_busy && static_cast<int>(threads_.size()) < max_threads_) {
    threads_.emplace_back([this] { Run(); });
  }
  wake_.NotifyOne();
}

void Executor::Run() {
  while (true) {
    std::function<void()> work;
    {
      base::MutexLock lock(mutex_);
      ++idle_;
      while (waiting_.empty() && !stopped_) wake_.Wait(mutex_);
      --idle_;
      if (waiting_.empty()) return;
      work = std::move(waiting_.front());
      waiting_.pop_front();
    }
    work();
  }
}

void Executor::Stop() {
  std::vector<std::thread> threads;
  {
    base::MutexLock lock(mutex_);
    stopped_ = true;
    threads.swap(threads_);
  }
  wake_.NotifyAll();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace eider::coordinator
