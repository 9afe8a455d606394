#include "schedule/timers.h"

namespace eider::schedule {

void Timers::Set(Timer& timer, int64_t at_ms) {
  if (timer.at_ms == at_ms) return;
  Clear(timer);
  timer.at_ms = at_ms;
  order_.insert(&timer);
}

void Timers::Clear(Timer& timer) {
  if (!timer.at_ms) return;
  order_.erase(&timer);
  timer.at_ms.reset();
}

Timer* Timers::PopDue(int64_t now_ms) {
  if (order_.empty() || *(*order_.begin())->at_ms > now_ms) return nullptr;
  Timer* timer = *order_.begin();
  Clear(*timer);
  return timer;
}

std::optional<int64_t> Timers::NextMs() const {
  if (order_.empty()) return std::nullopt;
  return (*order_.begin())->at_ms;
}

}  // namespace eider::schedule
