#include "cache/write_gate.h"

#include <algorithm>
#include <utility>

#include "config/limits.h"

namespace eider::cache {

bool WriteGate::SpaceCheckDue(int64_t now_ms, int64_t bytes) {
  unchecked_bytes_ += bytes;
  const bool due = !checked_ || now_ms - checked_at_ms_ >= config::kCacheSpaceCheckMs ||
                   unchecked_bytes_ >= allowance_bytes_;
  if (!due) return false;
  checked_ = true;
  checked_at_ms_ = now_ms;
  unchecked_bytes_ = 0;
  return true;
}

int64_t WriteGate::Deficit(const DiskSpace& space, int64_t bytes) {
  allowance_bytes_ = config::kCacheSpaceCheckBytes;
  if (space.total_bytes == 0) return 0;  // it cannot be told
  // By parts of a hundred first: a hundred times the size of a file system may not fit.
  const int64_t reserve = space.total_bytes / 100 * reserve_percent_;
  const int64_t left = space.available_bytes - reserve;
  allowance_bytes_ = std::clamp<int64_t>(left / 2, 0, config::kCacheSpaceCheckBytes);
  return std::max<int64_t>(bytes - left, 0);
}

bool WriteGate::Stop(int64_t now_ms, int64_t pause_ms, std::string why) {
  const bool news = why_.empty();
  why_ = std::move(why);
  retry_at_ms_ = now_ms + pause_ms;
  // The trial is to look at the space first.
  checked_ = false;
  return news;
}

bool WriteGate::Succeeded() {
  const bool news = !why_.empty();
  why_.clear();
  return news;
}

}  // namespace eider::cache
