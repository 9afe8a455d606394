// Which queries workers died under, over the tasks that they came as: a client that sends a deadly
// query again must not walk it through the fleet.
//
// A query's deaths count one after the other: a second one counts only for an attempt that began
// after the first was known, as several attempts may run on workers that fail for another reason.
// An attempt that ends by itself clears what its query is suspected of. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "protocol/ticket.h"

namespace eider::schedule {

class PoisonMemory {
 public:
  // Bounds: see schedule::Options.
  PoisonMemory(int deaths, int64_t memory_ms, int max_queries)
      : deaths_(deaths), memory_ms_(memory_ms), max_queries_(max_queries) {}

  // A worker died under an attempt of the query. Returns whether that poisons it.
  bool NoteDeath(const std::string& fingerprint, const protocol::AttemptId& attempt,
                 const std::string& worker_id, int64_t started_ms, int64_t now_ms);
  // It had only seemed so.
  void TakeBack(const std::string& fingerprint, const protocol::AttemptId& attempt);
  // It is poisoned, by deaths that were counted elsewhere.
  void Poison(const std::string& fingerprint, const std::string& workers, int64_t now_ms);
  // An attempt ended by itself.
  void Clear(const std::string& fingerprint);

  // What it died of, while it is poisoned: "w1, w2".
  std::optional<std::string> WorkersThatDied(const std::string& fingerprint, int64_t now_ms);
  // How long it is still refused.
  int64_t LeftMs(const std::string& fingerprint, int64_t now_ms) const;
  size_t size() const { return queries_.size(); }

 private:
  struct Death {
    protocol::AttemptId attempt;
    std::string worker_id;
  };
  struct Query {
    std::vector<Death> deaths;
    int64_t last_ms = 0;
    std::string poisoned_by;  // empty: it is only suspected
  };

  // The query's record, a new one where there is none; makes room for it.
  Query& Get(const std::string& fingerprint, int64_t now_ms);

  const int deaths_;
  const int64_t memory_ms_;
  const int max_queries_;
  std::map<std::string, Query> queries_;
};

}  // namespace eider::schedule
