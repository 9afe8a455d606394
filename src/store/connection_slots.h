// Which requests may run and which wait: bounds on connections to one host and to all. Pure.
//
// libcurl can hold requests back itself, but then counts their waiting as time spent connecting.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace eider::store {

// Not thread-safe. Invariant: nothing waits that could run.
class ConnectionSlots {
 public:
  ConnectionSlots(int max_total, int max_per_host)
      : max_total_(max_total), max_per_host_(max_per_host) {}

  // True: request `id` runs now, and must Leave. False: it waits. Ids rise.
  bool Enter(uint64_t id, const std::string& host);
  // A running request has ended; the one that runs in its place, if any: the oldest that may.
  std::optional<uint64_t> Leave(const std::string& host);
  // A waiting request is given up.
  void Forget(uint64_t id, const std::string& host);

 private:
  struct Host {
    int running = 0;
    std::set<uint64_t> waiting;
  };
  bool HasRoom(const Host& host) const {
    return running_ < max_total_ && host.running < max_per_host_;
  }
  void EraseIfIdle(const std::string& host);

  const int max_total_;
  const int max_per_host_;
  int running_ = 0;
  std::map<std::string, Host> hosts_;
};

}  // namespace eider::store
