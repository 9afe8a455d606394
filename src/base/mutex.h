// A mutex that clang's thread-safety analysis understands.
//
// Fields are marked EIDER_GUARDED_BY(mutex_), functions that expect the lock
// EIDER_REQUIRES(mutex_); a clang build fails where a guarded field is touched without its lock.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define EIDER_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define EIDER_THREAD_ANNOTATION(x)
#endif

#define EIDER_CAPABILITY(x) EIDER_THREAD_ANNOTATION(capability(x))
#define EIDER_SCOPED_CAPABILITY EIDER_THREAD_ANNOTATION(scoped_lockable)
#define EIDER_GUARDED_BY(x) EIDER_THREAD_ANNOTATION(guarded_by(x))
#define EIDER_REQUIRES(...) EIDER_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define EIDER_EXCLUDES(...) EIDER_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define EIDER_ACQUIRE(...) EIDER_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define EIDER_RELEASE(...) EIDER_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define EIDER_NO_ANALYSIS EIDER_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace eider::base {

class EIDER_CAPABILITY("mutex") Mutex {
 public:
  void Lock() EIDER_ACQUIRE() { mutex_.lock(); }
  void Unlock() EIDER_RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

// Holds a mutex for a scope.
class EIDER_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) EIDER_ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() EIDER_RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// A condition variable over Mutex. Waits return also without a reason: wait in a loop over the
// condition, which keeps the guarded fields in sight of the analysis.
class CondVar {
 public:
  void Wait(Mutex& mutex) EIDER_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    cv_.wait(lock);
    lock.release();
  }

  // Returns false when `deadline` has passed.
  bool WaitUntil(Mutex& mutex, std::chrono::steady_clock::time_point deadline)
      EIDER_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const bool in_time = cv_.wait_until(lock, deadline) == std::cv_status::no_timeout;
    lock.release();
    return in_time;
  }

  void NotifyOne() { cv_.notify_one(); }
  void NotifyAll() { cv_.notify_all(); }

 private:
  std::condition_variable cv_;
};

}  // namespace eider::base
