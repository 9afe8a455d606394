// Workers come, drain and go.
#include <algorithm>
#include <unordered_set>
#include <utility>

#include "schedule/state.h"

namespace eider::schedule {

void Scheduler::State::On(const WorkerUp& event) {
  WorkerRecord& worker = workers[event.worker_id];
  if (worker.id.empty()) {
    worker.id = event.worker_id;
    worker.hash = HashOf(worker.id);
    worker.pause_timer = NewTimer(TimerKind::kPause, &worker);
    worker.hold_timer = NewTimer(TimerKind::kHold, &worker);
  }
  const std::unordered_set<protocol::AttemptId, AttemptHash> running(event.running.begin(),
                                                                     event.running.end());
  // It may be up already, when it came back faster than it was missed.
  std::vector<AttemptRecord*> gone;
  for (AttemptRecord* attempt : worker.attempts) {
    const bool ran = attempt->state == AttemptState::kRunning;
    if (ran && !running.contains(attempt->id)) gone.push_back(attempt);
  }
  if (!gone.empty()) Bereave(worker, gone);
  worker.slots = std::max(0, event.slots);
  worker.draining = false;
  worker.paused = false;
  worker.slow_ms = -1;
  worker.not_ready_why.clear();
  timers.Clear(worker.pause_timer);
  worker.flapping = IsFlapping(worker.id);
  if (worker.flapping) {
    timers.Set(worker.hold_timer, now_ms + options.flap_hold_ms);
  } else {
    timers.Clear(worker.hold_timer);
  }
  for (const protocol::AttemptId& id : event.running) Adopt(worker, id);
  Enlist();
  Changed(worker);
}

void Scheduler::State::On(const WorkerDown& event) {
  const auto at = workers.find(event.worker_id);
  if (at == workers.end()) return;
  WorkerRecord& worker = at->second;
  Bereave(worker, worker.attempts);
  // Finished they are, but what was on its way is lost with the connection.
  const std::vector<AttemptRecord*> arriving = worker.arriving;
  for (AttemptRecord* attempt : arriving) Orphan(*attempt, /*death=*/false);
  if (!worker.draining) NoteFall(worker.id);
  worker.slots = 0;
  Enlist();
  timers.Clear(worker.pause_timer);
  timers.Clear(worker.hold_timer);
  workers.erase(at);
}

void Scheduler::State::On(const WorkerDraining& event) {
  const auto at = workers.find(event.worker_id);
  if (at == workers.end() || at->second.draining) return;
  at->second.draining = true;
  Enlist();
}

void Scheduler::State::On(const WorkerReady& event) {
  const auto at = workers.find(event.worker_id);
  if (at == workers.end()) return;
  std::string why = event.ready ? "" : event.why.empty() ? "it is not ready" : event.why;
  if (at->second.not_ready_why == why) return;
  at->second.not_ready_why = std::move(why);
  Enlist();
}

void Scheduler::State::NoteFall(const std::string& worker_id) {
  std::deque<int64_t>& times = falls[worker_id];
  times.push_back(now_ms);
  if (std::ssize(times) > options.flap_falls) times.pop_front();
  // Falls are rare: looking through all of them costs nothing that counts.
  std::erase_if(falls, [this](const auto& entry) {
    return now_ms - entry.second.back() >= options.flap_window_ms;
  });
}

bool Scheduler::State::IsFlapping(const std::string& worker_id) const {
  const auto at = falls.find(worker_id);
  return at != falls.end() && std::ssize(at->second) >= options.flap_falls &&
         now_ms - at->second.front() < options.flap_window_ms;
}

std::vector<WorkerRecord*> Scheduler::State::MakeRoster() {
  std::vector<WorkerRecord*> changed;
  const bool better = std::any_of(workers.begin(), workers.end(), [](const auto& entry) {
    return entry.second.Takes() && !entry.second.HeldBack();
  });
  members.clear();
  roster.clear();
  total_slots = 0;
  total_load_us = 0;
  uniform = true;
  ++roster_version;
  for (auto& [id, worker] : workers) {
    const bool was =
        std::exchange(worker.eligible, worker.Takes() && (!worker.HeldBack() || !better));
    if (worker.eligible != was) changed.push_back(&worker);
    if (!worker.eligible) continue;
    members.push_back({worker.hash, static_cast<double>(worker.slots)});
    roster.push_back(&worker);
    total_slots += worker.slots;
    total_load_us += worker.load_us();
    uniform = uniform && worker.slots == roster.front()->slots;
  }
  return changed;
}

void Scheduler::State::Enlist() {
  std::vector<TaskRecord*> homeless;
  for (WorkerRecord* worker : MakeRoster()) {
    while (!worker->eligible && worker->line.size() > 0) {
      homeless.push_back(worker->line.Front());
      worker->line.TakeTurn();
      LeaveLine(*homeless.back());
    }
    Changed(*worker);
    if (!worker->eligible && worker->indexed_serving) {
      worker->indexed_serving = false;
      std::erase(serving, worker);
    }
  }
  while (!roster.empty() && unplaced.size() > 0) {
    homeless.push_back(unplaced.Front());
    unplaced.TakeTurn();
    LeaveLine(*homeless.back());
  }
  for (TaskRecord* task : homeless) Place(*task, Arrival::kAgain);
}

void Scheduler::State::Bereave(const WorkerRecord& worker, std::vector<AttemptRecord*> attempts) {
  // A worker that drains ends as it should, and one that flaps proves nothing of the others.
  if (!worker.draining && !IsFlapping(worker.id)) {
    std::set<std::string> ran;
    for (const AttemptRecord* attempt : attempts) {
      const TaskRecord* task = FindTask(attempt->id.task_id);
      if (task != nullptr && attempt->state == AttemptState::kRunning) ran.insert(SuspectOf(*task));
    }
    poison.NoteFall(worker.id, std::move(ran), now_ms);
  }
  for (AttemptRecord* attempt : attempts) Orphan(*attempt, /*death=*/!worker.draining);
}

void Scheduler::State::Orphan(AttemptRecord& attempt, bool death) {
  const bool ran = attempt.state == AttemptState::kRunning;
  const TaskRecord* task = FindTask(attempt.id.task_id);
  if (task != nullptr && ran && death) {
    poison.NoteDeath(SuspectOf(*task), attempt.id, attempt.worker_id, attempt.since_ms, now_ms);
    SetTrialTimer();
  }
  if (CurrentTask(attempt) != nullptr) {
    Release(attempt);
    attempt.state = AttemptState::kOrphaned;
    timers.Set(attempt.timer, now_ms + options.claim_expiry_ms);
  } else if (ran) {
    Forget(attempt);
  } else {
    Void(attempt);
  }
}

void Scheduler::State::Adopt(WorkerRecord& worker, const protocol::AttemptId& id) {
  AttemptRecord* attempt = Find(id);
  if (attempt == nullptr) {
    attempt = &AddAttempt(id, worker.id);
    attempt->cost_us = costs.CostUs(std::nullopt);
    TakeSlot(*attempt, worker);
  } else if (attempt->worker_id != worker.id || attempt->finished) {
    return;
  } else if (!attempt->HoldsSlot()) {
    TakeSlot(*attempt, worker);
  }
  if (attempt->state != AttemptState::kRunning) attempt->since_ms = now_ms;
  attempt->state = AttemptState::kRunning;
  timers.Clear(attempt->timer);
  WatchForLate(*attempt);
  // It only seemed dead.
  if (const TaskRecord* task = FindTask(id.task_id)) poison.TakeBack(SuspectOf(*task), id);
  if (CurrentTask(*attempt) == nullptr) {
    actions.push_back(Stop{id, worker.id, "nobody waits for this attempt"});
  }
}

}  // namespace eider::schedule
