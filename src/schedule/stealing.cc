// Which task a free slot gets.
#include <algorithm>
#include <limits>
#include <utility>

#include "schedule/state.h"

namespace eider::schedule {

void Scheduler::State::Dispatch() {
  while (!serving.empty()) {
    WorkerRecord& worker = *serving.back();
    serving.pop_back();
    worker.indexed_serving = false;
    TakeFromOwnLine(worker);
  }
  if (idle.empty() || !options.stealing) return;
  LetStealWhatIsDue();
  while (!idle.empty() && Steal()) {
  }
  MoveLate();
}

void Scheduler::State::TakeFromOwnLine(WorkerRecord& worker) {
  while (worker.HasFreeSlot() && worker.line.size() > 0) {
    TaskRecord& task = *worker.line.Front();
    worker.line.TakeTurn();  // as taking the task out would not
    LeaveLine(task);
    GiveSlot(task, worker, task.placement.home, /*stolen=*/false, task.placement.reason);
  }
}

void Scheduler::State::LetStealWhatIsDue() {
  while (!steal_times.empty() && steal_times.begin()->first.first <= now_ms) {
    TaskRecord& task = *steal_times.begin()->second;
    steal_times.erase(steal_times.begin());
    task.steal_at_ms.reset();
    task.line->line.LetSteal(task.entry());
    Changed(*task.line);
  }
}

bool Scheduler::State::Steal() {
  for (const auto& [wait, owner] : by_wait) {
    TaskRecord* task = owner->line.OldestStealable(
        [this](TaskRecord& candidate) { return Thief(candidate) != nullptr; });
    if (task == nullptr) continue;
    WorkerRecord& thief = *Thief(*task);
    const std::vector<WorkerRecord*>& homes = Homes(*task);
    const auto at = std::find(homes.begin(), homes.end(), &thief);
    const bool home = at != homes.end();
    const std::string reason = home ? "home rank " + std::to_string(at - homes.begin())
                                    : "stolen from " + owner->id + " after " +
                                          std::to_string(now_ms - task->waiting_since_ms) + " ms";
    LeaveLine(*task);
    GiveSlot(*task, thief, home || !task->task.key, /*stolen=*/true, reason);
    return true;
  }
  return false;
}

WorkerRecord* Scheduler::State::Thief(TaskRecord& task) {
  for (WorkerRecord* home : Homes(task)) {
    if (home->indexed_idle && !Avoids(task, *home) && !Lags(*home)) return home;
  }
  WorkerRecord* lagging = nullptr;
  for (const auto& [load, worker] : idle) {
    if (Avoids(task, *worker)) continue;
    if (!Lags(*worker)) return worker;
    if (lagging == nullptr) lagging = worker;
  }
  return lagging;
}

const std::vector<WorkerRecord*>& Scheduler::State::Homes(TaskRecord& task) {
  Placement& placement = task.placement;
  if (!task.task.key || placement.roster_version == roster_version) return placement.homes;
  placement.homes.clear();
  placement.roster_version = roster_version;
  Ranking ranking(*task.task.key, members, uniform, scores);
  const int homes = HomesOf(*task.task.key);
  for (int rank = 0; rank < homes; ++rank) {
    if (const auto next = ranking.Next()) placement.homes.push_back(roster[*next]);
  }
  return placement.homes;
}

int64_t Scheduler::State::ExpectedWaitUs(const WorkerRecord& worker) const {
  if (worker.HasFreeSlot() && worker.line.size() == 0) return 0;
  // The first slot that frees, or the end of a pause.
  int64_t first_us = worker.HasFreeSlot() ? 0 : std::numeric_limits<int64_t>::max();
  if (worker.Occupied() < worker.slots && worker.paused) first_us = kRefusedPauseMs * 1'000;
  for (const AttemptRecord* attempt : worker.attempts) {
    int64_t left_us = attempt->cost_us;
    if (attempt->state == AttemptState::kRunning) {
      // One that has taken longer than was expected may well take as much again.
      left_us = std::abs(attempt->cost_us - (now_ms - attempt->since_ms) * 1'000);
    }
    first_us = std::min(first_us, left_us);
  }
  return first_us + worker.waiting_us / worker.slots;
}

}  // namespace eider::schedule
