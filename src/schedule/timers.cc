#include "schedule/timers.h"

namespace eider::schedule {

void Timers::Set(const TimerKey& key, int64_t at_ms) {
  Clear(key);
  times_.emplace(key, at_ms);
  order_.emplace(at_ms, key);
}

void Timers::Clear(const TimerKey& key) {
  const auto at = times_.find(key);
  if (at == times_.end()) return;
  order_.erase({at->second, key});
  times_.erase(at);
}

std::optional<TimerKey> Timers::PopDue(int64_t now_ms) {
  if (order_.empty() || order_.begin()->first > now_ms) return std::nullopt;
  TimerKey key = order_.begin()->second;
  Clear(key);
  return key;
}

std::optional<int64_t> Timers::NextMs() const {
  if (order_.empty()) return std::nullopt;
  return order_.begin()->first;
}

}  // namespace eider::schedule
