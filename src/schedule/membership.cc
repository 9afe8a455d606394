// Workers come, drain and go.
#include <algorithm>
#include <utility>

#include "schedule/state.h"

namespace eider::schedule {

void Scheduler::State::On(const WorkerUp& event) {
  WorkerRecord& worker = workers[event.worker_id];
  worker.id = event.worker_id;
  const AttemptIds running(event.running.begin(), event.running.end());
  // It may be up already, when it came back faster than it was missed.
  for (const protocol::AttemptId& id : AttemptIds(worker.attempts)) {
    const bool ran = attempts.at(id).state == AttemptState::kRunning;
    if (ran && !running.contains(id)) Orphan(id, /*death=*/!worker.draining);
  }
  worker.slots = std::max(0, event.slots);
  worker.draining = false;
  worker.paused = false;
  timers.Clear(WorkerTimer(worker.id));
  for (const protocol::AttemptId& id : running) Adopt(worker, id);
  Line line = std::exchange(worker.Eligible() ? unplaced : worker.line, {});
  Changed(worker);
  PlaceAll(std::move(line));
}

void Scheduler::State::On(const WorkerDown& event) {
  const auto at = workers.find(event.worker_id);
  if (at == workers.end()) return;
  for (const protocol::AttemptId& id : AttemptIds(at->second.attempts)) {
    Orphan(id, /*death=*/!at->second.draining);
  }
  Line line = std::exchange(at->second.line, {});
  Changed(at->second);
  free.erase(event.worker_id);
  timers.Clear(WorkerTimer(event.worker_id));
  workers.erase(at);
  PlaceAll(std::move(line));
}

void Scheduler::State::On(const WorkerDraining& event) {
  const auto at = workers.find(event.worker_id);
  if (at == workers.end() || at->second.draining) return;
  at->second.draining = true;
  Line line = std::exchange(at->second.line, {});
  Changed(at->second);
  PlaceAll(std::move(line));
}

void Scheduler::State::Orphan(const protocol::AttemptId& id, bool death) {
  AttemptRecord& attempt = attempts.at(id);
  const bool current = IsCurrent(attempt);
  const bool ran = attempt.state == AttemptState::kRunning;
  const auto task = tasks.find(id.task_id);
  bool poisoned = false;
  if (task != tasks.end() && ran && death) {
    task->second.deaths[id.attempt] = attempt.worker_id;
    poisoned = poison.NoteDeath(task->second.task.fingerprint, id, attempt.worker_id,
                                attempt.started_ms, now_ms);
  }
  if (current) {
    Release(attempt);
    attempt.state = AttemptState::kOrphaned;
    timers.Set(AttemptTimer(id), now_ms + options.claim_expiry_ms);
  } else if (ran) {
    Forget(id);
  } else {
    Void(attempt);
  }
  if (task == tasks.end()) return;
  std::string names;
  if (std::ssize(task->second.deaths) >= options.poison_deaths) {
    for (const auto& [number, worker_id] : task->second.deaths) {
      names += (names.empty() ? "" : ", ") + worker_id;
    }
    poison.Poison(task->second.task.fingerprint, names, now_ms);
  } else if (poisoned) {
    names = poison.WorkersThatDied(task->second.task.fingerprint, now_ms).value_or("");
  } else {
    return;
  }
  End(id.task_id, ErrorFor(base::ErrorCode::kPoisoned,
                           "workers died while they ran this query, and it is not tried on "
                           "another: " +
                               names));
}

void Scheduler::State::Adopt(WorkerRecord& worker, const protocol::AttemptId& id) {
  const auto [at, unknown] = attempts.try_emplace(id);
  AttemptRecord& attempt = at->second;
  if (unknown) {
    attempt.id = id;
    attempt.worker_id = worker.id;
  } else if (attempt.worker_id != worker.id) {
    return;
  }
  if (unknown || attempt.state != AttemptState::kRunning) attempt.started_ms = now_ms;
  attempt.state = AttemptState::kRunning;
  worker.attempts.insert(id);
  timers.Clear(AttemptTimer(id));
  const auto task = tasks.find(id.task_id);
  if (task != tasks.end()) {  // it only seemed so
    task->second.deaths.erase(id.attempt);
    poison.TakeBack(task->second.task.fingerprint, id);
  }
  if (!IsCurrent(attempt)) {
    actions.push_back(Stop{id, worker.id, "nobody waits for this attempt"});
  }
  Changed(worker);
}

void Scheduler::State::PlaceAll(Line line) {
  waiting -= line.size();
  while (const auto task_id = line.Pop()) {
    TaskRecord& task = tasks.at(*task_id);
    task.where = Whereabouts::kNowhere;
    Place(task, Arrival::kAgain);
  }
}

}  // namespace eider::schedule
