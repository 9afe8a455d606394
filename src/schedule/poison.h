// Which queries workers died under, over the tasks that they came as: a client that sends a deadly
// query again must not walk it through the fleet.
//
// A query's deaths count one after the other: a second one counts only for an attempt of the same
// task or one that began after the first was known, as several tasks may run on workers that fail
// for another reason.
// Where a worker that did not run the query fell at about the same time, something else killed them
// all (a rack, a deploy): such a death is not held against it. As its news may come last, a query
// with enough deaths is on trial for a moment before it is poisoned. An attempt that ends by itself
// clears what its query is suspected of. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "protocol/ticket.h"

namespace eider::schedule {

class PoisonMemory {
 public:
  // Bounds and times: see schedule::Options. A fingerprint is never empty.
  PoisonMemory(int deaths, int64_t memory_ms, int64_t incident_ms, int max_queries)
      : deaths_(deaths),
        memory_ms_(memory_ms),
        incident_ms_(incident_ms),
        max_queries_(max_queries) {}

  // A worker fell while it ran attempts of these queries, of which NoteDeath is to be told next.
  void NoteFall(const std::string& worker_id, std::set<std::string> ran, int64_t now_ms);
  // It died under this attempt of the query. Enough of that puts the query on trial.
  void NoteDeath(const std::string& fingerprint, const protocol::AttemptId& attempt,
                 const std::string& worker_id, int64_t started_ms, int64_t now_ms);
  // It had only seemed so.
  void TakeBack(const std::string& fingerprint, const protocol::AttemptId& attempt);
  // An attempt ended by itself.
  void Clear(const std::string& fingerprint);

  // Whether it is to be waited for the verdict before the query is run again.
  bool IsOnTrial(const std::string& fingerprint) const;
  // When the next verdict is due; none while none is on trial.
  std::optional<int64_t> NextVerdictMs() const;
  // The queries whose trial has ended: they are poisoned now.
  std::vector<std::string> PassVerdicts(int64_t now_ms);

  // What it died of, while it is poisoned: "w1, w2".
  std::optional<std::string> WorkersThatDied(const std::string& fingerprint, int64_t now_ms);
  // How long it is still refused.
  int64_t LeftMs(const std::string& fingerprint, int64_t now_ms) const;
  size_t size() const { return queries_.size(); }

 private:
  struct Death {
    protocol::AttemptId attempt;
    std::string worker_id;
    int64_t at_ms = 0;
  };
  struct Query {
    std::vector<Death> deaths;
    int64_t last_ms = 0;
    std::optional<int64_t> verdict_ms;  // while it is on trial
    std::string poisoned_by;            // empty: it is only suspected
  };
  struct Fall {
    int64_t at_ms = 0;
    std::string worker_id;
    std::set<std::string> ran;
  };

  // The query's record, a new one where there is none; makes room for it.
  Query& Get(const std::string& fingerprint, int64_t now_ms);
  // Takes back the deaths that `is_void` says so of, and with the last one the query.
  template <class IsVoid>
  void Void(std::map<std::string, Query>::iterator at, IsVoid is_void);

  const int deaths_;
  const int64_t memory_ms_;
  const int64_t incident_ms_;
  const int max_queries_;
  std::map<std::string, Query> queries_;
  std::deque<Fall> falls_;  // of the last incident_ms_
};

}  // namespace eider::schedule
