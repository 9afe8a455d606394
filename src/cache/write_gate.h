// Whether the cache may write to its disk now. Pure: times and free space go in, decisions come
// out.
//
// Writing stops when a write failed or the file system has less than the reserve free although the
// cache gave up what it had; after a pause the next write is let through as a trial, and when it
// succeeds all are.
#pragma once

#include <cstdint>
#include <string>

namespace eider::cache {

// Of a file system.
struct DiskSpace {
  int64_t total_bytes = 0;
  int64_t available_bytes = 0;  // to us
};

// Not thread-safe. Times are milliseconds of one monotonic clock.
class WriteGate {
 public:
  explicit WriteGate(int reserve_percent) : reserve_percent_(reserve_percent) {}

  bool MayWrite(int64_t now_ms) const { return why_.empty() || now_ms >= retry_at_ms_; }
  // Whether to look at the free space before writing `bytes`: once a second, each 64 MiB, and
  // before half of what was free above the reserve is gone. Counts the bytes; where it says yes,
  // counts anew.
  bool SpaceCheckDue(int64_t now_ms, int64_t bytes);
  // Takes what was seen: how much has to be given back before `bytes` are written; 0: nothing.
  int64_t Deficit(const DiskSpace& space, int64_t bytes);

  // Stops writing until `pause_ms` from now. True where it had not been stopped: worth a warning.
  bool Stop(int64_t now_ms, int64_t pause_ms, std::string why);
  // A write succeeded. True where writing had been stopped.
  bool Succeeded();

  const std::string& why() const { return why_; }  // empty: not stopped

 private:
  const int reserve_percent_;
  std::string why_;
  int64_t retry_at_ms_ = 0;
  bool checked_ = false;
  int64_t checked_at_ms_ = 0;
  int64_t unchecked_bytes_ = 0;
  int64_t allowance_bytes_ = 0;  // to be written before the next look
};

}  // namespace eider::cache
