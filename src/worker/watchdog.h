// One thread that looks after the running tasks: their clients, deadlines and stalls.
#pragma once

#include <thread>

#include "worker/task_list.h"

namespace eider::worker {

// Sleeps while nothing runs, else checks each task every 20 ms. Stops when destroyed; `tasks` must
// outlive it and is stopped by it.
class Watchdog {
 public:
  explicit Watchdog(TaskList& tasks);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void Loop();

  TaskList& tasks_;
  std::thread thread_;
};

}  // namespace eider::worker
