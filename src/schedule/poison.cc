#include "schedule/poison.h"

#include <algorithm>

namespace eider::schedule {

bool PoisonMemory::NoteDeath(const std::string& fingerprint, const protocol::AttemptId& attempt,
                             const std::string& worker_id, int64_t started_ms, int64_t now_ms) {
  if (fingerprint.empty()) return false;
  Query& query = Get(fingerprint, now_ms);
  if (!query.poisoned_by.empty()) return true;
  if (!query.deaths.empty() && started_ms < query.last_ms) return false;
  query.deaths.push_back({attempt, worker_id});
  query.last_ms = now_ms;
  if (std::ssize(query.deaths) < deaths_) return false;
  for (const Death& death : query.deaths) {
    query.poisoned_by += (query.poisoned_by.empty() ? "" : ", ") + death.worker_id;
  }
  return true;
}

void PoisonMemory::TakeBack(const std::string& fingerprint, const protocol::AttemptId& attempt) {
  const auto at = queries_.find(fingerprint);
  if (at == queries_.end() || !at->second.poisoned_by.empty()) return;
  std::erase_if(at->second.deaths, [&](const Death& death) { return death.attempt == attempt; });
  if (at->second.deaths.empty()) queries_.erase(at);
}

void PoisonMemory::Poison(const std::string& fingerprint, const std::string& workers,
                          int64_t now_ms) {
  if (fingerprint.empty()) return;
  Query& query = Get(fingerprint, now_ms);
  query.poisoned_by = workers;
  query.last_ms = now_ms;
}

void PoisonMemory::Clear(const std::string& fingerprint) {
  const auto at = queries_.find(fingerprint);
  if (at != queries_.end() && at->second.poisoned_by.empty()) queries_.erase(at);
}

std::optional<std::string> PoisonMemory::WorkersThatDied(const std::string& fingerprint,
                                                         int64_t now_ms) {
  const auto at = queries_.find(fingerprint);
  if (at == queries_.end()) return std::nullopt;
  if (now_ms - at->second.last_ms >= memory_ms_) {
    queries_.erase(at);
    return std::nullopt;
  }
  if (at->second.poisoned_by.empty()) return std::nullopt;
  return at->second.poisoned_by;
}

int64_t PoisonMemory::LeftMs(const std::string& fingerprint, int64_t now_ms) const {
  const auto at = queries_.find(fingerprint);
  return at == queries_.end() ? 0 : std::max<int64_t>(0, at->second.last_ms + memory_ms_ - now_ms);
}

PoisonMemory::Query& PoisonMemory::Get(const std::string& fingerprint, int64_t now_ms) {
  // Deaths are rare: looking through all of them costs nothing that counts.
  std::erase_if(queries_,
                [&](const auto& entry) { return now_ms - entry.second.last_ms >= memory_ms_; });
  const bool known = queries_.contains(fingerprint);
  if (!known && std::ssize(queries_) >= max_queries_) {
    queries_.erase(std::ranges::min_element(
        queries_, {}, [](const auto& entry) { return entry.second.last_ms; }));
  }
  Query& query = queries_[fingerprint];
  if (!known) query.last_ms = now_ms;
  return query;
}

}  // namespace eider::schedule
