// What is known of each query: what runs, and what ran lately. Behind /v1/queries and .info.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/mutex.h"
#include "protocol/figures.h"

namespace eider::coordinator {

// One query's record. Times named _ms are milliseconds; wall times are since 1970.
struct QueryRecord {
  struct Attempt {
    int attempt = 0;
    std::string worker_id;
    std::string reason;
  };

  std::string id;
  std::string sql;  // its first kMaxSqlBytes
  std::string client;
  bool direct = false;
  std::string location;
  std::vector<Attempt> attempts;  // the last is the current one
  int64_t submitted_wall_ms = 0;
  int64_t queue_ms = 0;
  bool claimed = false;
  protocol::Figures figures;
  std::optional<base::ErrorInfo> error;
  bool ended = false;     // the client got its end or its error
  bool reported = false;  // its worker has told the figures, or never will
  bool logged = false;    // its end was
  int64_t ended_ms = 0;   // monotonic
  size_t kept_bytes = 0;  // what History counts it for, once it has ended

  std::string_view state() const;
};

// Thread-safe.
class History {
 public:
  // Queries that ended are kept while they are among the last kKept, and for kKeptMs; never more
  // than kMaxKept, nor more than kMaxKeptBytes of them beyond the last kKept. Those that were
  // refused as OVERLOADED never ran, and come by the thousand: of them only the last kKept are.
  static constexpr size_t kKept = 1'000;
  static constexpr int64_t kKeptMs = 10 * 60 * 1'000;
  static constexpr size_t kMaxKept = 100'000;
  static constexpr size_t kMaxKeptBytes = 64 << 20;
  static constexpr size_t kMaxSqlBytes = 4'096;
  static_assert(kKept <= kMaxKept);

  explicit History(const base::Clock& clock) : clock_(clock) {}

  void Add(QueryRecord record) EIDER_EXCLUDES(mutex_);
  // Applies `change` to the record, where there is one, and wakes who waits for it.
  void Update(const std::string& id, const std::function<void(QueryRecord&)>& change)
      EIDER_EXCLUDES(mutex_);
  // The query is over for its client; the first call wins.
  void End(const std::string& id, const std::optional<base::ErrorInfo>& error)
      EIDER_EXCLUDES(mutex_);

  std::optional<QueryRecord> Find(const std::string& id) EIDER_EXCLUDES(mutex_);
  // As Find, once the query has ended and its worker has reported, or after `wait_ms`.
  std::optional<QueryRecord> WaitForEnd(const std::string& id, int64_t wait_ms)
      EIDER_EXCLUDES(mutex_);
  // The newest first, at most `limit`.
  std::vector<QueryRecord> Newest(size_t limit) const EIDER_EXCLUDES(mutex_);

 private:
  QueryRecord* Get(const std::string& id) EIDER_REQUIRES(mutex_);
  void Forget() EIDER_REQUIRES(mutex_);
  void ForgetOldest(std::deque<uint64_t>& ended) EIDER_REQUIRES(mutex_);

  const base::Clock& clock_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  // By the order of submission; what ended, by the order in which it did.
  std::map<uint64_t, QueryRecord> records_ EIDER_GUARDED_BY(mutex_);
  std::unordered_map<std::string, uint64_t> sequence_of_ EIDER_GUARDED_BY(mutex_);
  std::deque<uint64_t> ended_ EIDER_GUARDED_BY(mutex_);
  std::deque<uint64_t> refused_ EIDER_GUARDED_BY(mutex_);  // the same, of what was OVERLOADED
  size_t ended_bytes_ EIDER_GUARDED_BY(mutex_) = 0;        // about, of what ended_ names
  uint64_t next_sequence_ EIDER_GUARDED_BY(mutex_) = 0;
};

}  // namespace eider::coordinator
