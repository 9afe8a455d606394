#include "worker/watchdog.h"

#include <chrono>

namespace eider::worker {
namespace {

constexpr std::chrono::milliseconds kPeriod(20);

}  // namespace

Watchdog::Watchdog(TaskList& tasks) : tasks_(tasks), thread_([this] { Loop(); }) {}

Watchdog::~Watchdog() {
  tasks_.Stop();
  thread_.join();
}

void Watchdog::Loop() {
  // The pause comes first: most tasks are over before their first check.
  while (tasks_.WaitForTask() && tasks_.WaitUntil(std::chrono::steady_clock::now() + kPeriod)) {
    for (const auto& task : tasks_.Watched()) task->Check();
  }
}

}  // namespace eider::worker
