#include "schedule/poison.h"

#include <algorithm>
#include <utility>

namespace eider::schedule {

void PoisonMemory::NoteFall(const std::string& worker_id, std::set<std::string> ran,
                            int64_t now_ms) {
  while (!falls_.empty() && now_ms - falls_.front().at_ms > incident_ms_) falls_.pop_front();
  for (auto next = queries_.begin(); next != queries_.end();) {
    const auto at = next++;
    if (ran.contains(at->first)) continue;
    Void(at, [&](const Death& death) {
      return death.worker_id != worker_id && now_ms - death.at_ms <= incident_ms_;
    });
  }
  falls_.push_back({now_ms, worker_id, std::move(ran)});
}

void PoisonMemory::NoteDeath(const std::string& fingerprint, const protocol::AttemptId& attempt,
                             const std::string& worker_id, int64_t started_ms, int64_t now_ms) {
  const bool incident = std::ranges::any_of(falls_, [&](const Fall& fall) {
    return now_ms - fall.at_ms <= incident_ms_ && fall.worker_id != worker_id &&
           !fall.ran.contains(fingerprint);
  });
  if (incident) return;
  Query& query = Get(fingerprint, now_ms);
  if (!query.poisoned_by.empty()) return;
  // One task's attempts follow each other, whenever their workers' ends are heard of.
  const bool side_by_side = std::ranges::any_of(query.deaths, [&](const Death& death) {
    return death.attempt.task_id != attempt.task_id && started_ms < death.at_ms;
  });
  if (side_by_side) return;
  query.deaths.push_back({attempt, worker_id, now_ms});
  query.last_ms = now_ms;
  if (std::ssize(query.deaths) >= deaths_ && !query.verdict_ms) {
    query.verdict_ms = now_ms + incident_ms_;
  }
}

void PoisonMemory::TakeBack(const std::string& fingerprint, const protocol::AttemptId& attempt) {
  const auto at = queries_.find(fingerprint);
  if (at == queries_.end()) return;
  Void(at, [&](const Death& death) { return death.attempt == attempt; });
}

template <class IsVoid>
void PoisonMemory::Void(std::map<std::string, Query>::iterator at, IsVoid is_void) {
  Query& query = at->second;
  if (!query.poisoned_by.empty()) return;
  std::erase_if(query.deaths, is_void);
  if (std::ssize(query.deaths) < deaths_) query.verdict_ms.reset();
  if (query.deaths.empty()) queries_.erase(at);
}

bool PoisonMemory::IsOnTrial(const std::string& fingerprint) const {
  const auto at = queries_.find(fingerprint);
  return at != queries_.end() && at->second.verdict_ms.has_value();
}

std::optional<int64_t> PoisonMemory::NextVerdictMs() const {
  std::optional<int64_t> next_ms;
  for (const auto& [fingerprint, query] : queries_) {
    if (query.verdict_ms)
      next_ms = std::min(next_ms.value_or(*query.verdict_ms), *query.verdict_ms);
  }
  return next_ms;
}

std::vector<std::string> PoisonMemory::PassVerdicts(int64_t now_ms) {
  std::vector<std::string> poisoned;
  for (auto& [fingerprint, query] : queries_) {
    if (!query.verdict_ms || *query.verdict_ms > now_ms) continue;
    query.verdict_ms.reset();
    for (const Death& death : query.deaths) {
      query.poisoned_by += (query.poisoned_by.empty() ? "" : ", ") + death.worker_id;
    }
    poisoned.push_back(fingerprint);
  }
  return poisoned;
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
