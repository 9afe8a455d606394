// A line on stderr that says how far a query is, while it runs; nothing where stderr is no
// terminal.
#pragma once

#include <chrono>
#include <thread>

#include "base/mutex.h"
#include "cmd/result_stream.h"

namespace eider::cmd {

class Progress {
 public:
  // `stream` must outlive it.
  Progress(const ResultStream* stream, bool shown);
  // Takes the line away.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void Stop() EIDER_EXCLUDES(mutex_);

 private:
  void Run() EIDER_EXCLUDES(mutex_);

  const ResultStream* const stream_;
  base::Mutex mutex_;
  base::CondVar changed_;
  bool stopped_ EIDER_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace eider::cmd
