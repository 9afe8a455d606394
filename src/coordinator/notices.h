// After a write: the other workers are told what to forget, before the write's client is answered.
#pragma once

#include <arrow/status.h>

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "coordinator/membership.h"
#include "coordinator/orders.h"

namespace eider::coordinator {

// A write does not wait for a worker that is away: that one is told what it missed when it is up
// again. One that stays away until it is forgotten, or comes back to another coordinator, is not
// told: what it has cached of that write ages by --revalidate. Thread-safe.
class Notices {
 public:
  struct Options {
    int tries = 3;             // for each worker, while it is up
    int64_t wait_ms = 10'000;  // the most that Wait() blocks
    size_t max_owed = 10'000;  // URLs kept for a worker that is away; then its buckets instead
  };
  // Tells one worker; blocks for its answer.
  using Tell =
      std::function<arrow::Status(const WorkerInfo& worker, const std::vector<std::string>& urls)>;
  using Log = std::function<void(bool warning, const std::string& line)>;

  // All outlive this.
  Notices(Options options, const Membership& membership, Orders& orders, Tell tell, Log log);

  // A query that writes was submitted: its Wait() waits for Written(). Forget() ends that.
  void Expect(const std::string& query_id) EIDER_EXCLUDES(mutex_);
  // The attempt on `writer_id` is over and wrote `urls`, perhaps none: begins to tell the others.
  // Does not block.
  void Written(const std::string& query_id, const std::string& writer_id,
               const std::vector<std::string>& urls) EIDER_EXCLUDES(mutex_);
  // Blocks until every other worker that is up was told what the query wrote on `writer_id`, or
  // that worker went away, or the time is over.
  void Wait(const std::string& query_id, const std::string& writer_id) EIDER_EXCLUDES(mutex_);
  void Forget(const std::string& query_id) EIDER_EXCLUDES(mutex_);

  // A worker came back: tells it what it missed. Does not block.
  void OnWorkerUp(const std::string& worker_id) EIDER_EXCLUDES(mutex_);
  void OnWorkerDown(const std::string& worker_id) EIDER_EXCLUDES(mutex_);
  // Ends every Wait() and further tries.
  void Stop() EIDER_EXCLUDES(mutex_);

 private:
  struct Write {
    std::string writer_id;  // that Wait() waits for
    bool reported = false;
    int untold = 0;  // workers that are being told
  };

  // The workers that are up, but for the writer; what the others are owed is noted.
  std::vector<std::string> Others(const std::string& writer_id,
                                  const std::vector<std::string>& urls) EIDER_REQUIRES(mutex_);
  void TellOne(const std::string& query_id, const std::string& worker_id,
               const std::vector<std::string>& urls) EIDER_EXCLUDES(mutex_);
  // Errors: KeyError where it is away; else the last try's.
  arrow::Status Try(const std::string& worker_id, const std::vector<std::string>& urls)
      EIDER_EXCLUDES(mutex_);
  void Owe(const std::string& worker_id, const std::vector<std::string>& urls)
      EIDER_REQUIRES(mutex_);
  bool stopped() const EIDER_EXCLUDES(mutex_);

  const Options options_;
  const Membership& membership_;
  Orders& orders_;
  const Tell tell_;
  const Log log_;

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::unordered_map<std::string, Write> writes_ EIDER_GUARDED_BY(mutex_);  // by query
  std::unordered_map<std::string, std::set<std::string>> owed_ EIDER_GUARDED_BY(mutex_);
  bool stopped_ EIDER_GUARDED_BY(mutex_) = false;
};

}  // namespace eider::coordinator
