// What all connections of one server share.
#pragma once

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "coordinator/service.h"
#include "rpc/http/server.h"

namespace eider::rpc {

// Thread-safe. Outlives every connection.
class ServerContext {
 public:
  ServerContext(coordinator::Service& service_in, HttpServer::Options options_in)
      : service(service_in),
        options(std::move(options_in)),
        calls_(static_cast<size_t>(options.call_threads)),
        cancels_(1) {}

  coordinator::Service& service;
  const HttpServer::Options options;
  std::atomic<bool> stopping = false;
  std::atomic<int> connections = 0;

  // Runs `call` on a thread that may block; false when too many wait for one already.
  template <typename Function>
  bool RunCall(Function call) {
    if (queued_calls_.fetch_add(1) >= options.max_queued_calls) {
      --queued_calls_;
      return false;
    }
    boost::asio::post(calls_, [this, call = std::move(call)]() mutable {
      --queued_calls_;
      call();
    });
    return true;
  }

  // A wait for a query's end takes one of the threads for long, so some are kept from that.
  bool BeginWait() {
    if (waits_.fetch_add(1) < options.call_threads - kThreadsWithoutWaits) return true;
    --waits_;
    return false;
  }
  void EndWait() { --waits_; }

  // Requests that were read and are not answered whole.
  void BeginAnswer() EIDER_EXCLUDES(mutex_) {
    base::MutexLock lock(mutex_);
    ++answering_;
  }
  void EndAnswer() EIDER_EXCLUDES(mutex_) {
    base::MutexLock lock(mutex_);
    --answering_;
    answered_.NotifyAll();
  }
  // Waits until there is none; false when there still is after `timeout_ms`.
  bool WaitForAnswers(int64_t timeout_ms) EIDER_EXCLUDES(mutex_) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    base::MutexLock lock(mutex_);
    while (answering_ > 0) {
      if (!answered_.WaitUntil(mutex_, until)) return answering_ == 0;
    }
    return true;
  }

  // On a thread of its own: behind slow calls a cancel would come too late.
  void Cancel(std::shared_ptr<coordinator::Submitted> query, std::string reason) {
    boost::asio::post(cancels_, [query = std::move(query), reason = std::move(reason)] {
      query->Cancel(reason);
    });
  }

  // Finishes what was asked of the threads.
  void Join() {
    calls_.join();
    cancels_.join();
  }

 private:
  static constexpr int kThreadsWithoutWaits = 2;

  boost::asio::thread_pool calls_;
  boost::asio::thread_pool cancels_;
  std::atomic<int> queued_calls_ = 0;
  std::atomic<int> waits_ = 0;
  base::Mutex mutex_;
  base::CondVar answered_;
  int answering_ EIDER_GUARDED_BY(mutex_) = 0;
};

}  // namespace eider::rpc
