// A worker's call to the coordinator that does not know it yet: posts its announcement each second,
// with jitter, while no coordinator is attached.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "base/mutex.h"

namespace eider::cmd {

class Announcer {
 public:
  struct Options {
    std::string coordinator_url;
    std::string sealed;  // a protocol::Announcement
  };
  // Starts announcing; `attached` is asked before each call, from the announcer's thread.
  Announcer(Options options, std::function<bool()> attached);
  // Ends within the timeout of one call.
  ~Announcer();
  Announcer(const Announcer&) = delete;
  Announcer& operator=(const Announcer&) = delete;

 private:
  void Run() EIDER_EXCLUDES(mutex_);
  // Returns false when it is to end.
  bool Pause(int64_t ms) EIDER_EXCLUDES(mutex_);
  void LogChange(const std::string& trouble);

  const Options options_;
  const std::function<bool()> attached_;
  std::string last_trouble_;  // used by the thread alone
  base::Mutex mutex_;
  base::CondVar changed_;
  bool stopped_ EIDER_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses the rest
};

}  // namespace eider::cmd
