// What is heard of attempts, and what happens to them as time passes.
#include <algorithm>
#include <utility>
#include <vector>

#include "schedule/state.h"

namespace eider::schedule {

AttemptRecord* Scheduler::State::Find(const protocol::AttemptId& id) {
  const auto at = attempts.find(id);
  return at == attempts.end() ? nullptr : &at->second;
}

TaskRecord* Scheduler::State::CurrentTask(const AttemptRecord& attempt) {
  TaskRecord* task = FindTask(attempt.id.task_id);
  const bool current = task != nullptr && task->where == Whereabouts::kClaimed &&
                       task->attempt == attempt.id.attempt;
  return current ? task : nullptr;
}

AttemptRecord& Scheduler::State::AddAttempt(const protocol::AttemptId& id,
                                            const std::string& worker_id) {
  AttemptRecord& attempt = attempts[id];
  attempt.id = id;
  attempt.worker_id = worker_id;
  attempt.since_ms = now_ms;
  attempt.timer = NewTimer(TimerKind::kAttempt, &attempt);
  return attempt;
}

void Scheduler::State::TakeSlot(AttemptRecord& attempt, WorkerRecord& worker) {
  worker.attempts.push_back(&attempt);
  AddLoad(worker, attempt.cost_us, 0);
  Changed(worker);
}

void Scheduler::State::Release(AttemptRecord& attempt) {
  NotLate(attempt);
  if (attempt.HoldsSlot()) GiveSlotBack(attempt);
  if (attempt.state != AttemptState::kArriving) return;
  std::erase(workers.at(attempt.worker_id).arriving, &attempt);
}

void Scheduler::State::GiveSlotBack(AttemptRecord& attempt) {
  WorkerRecord& worker = workers.at(attempt.worker_id);
  std::erase(worker.attempts, &attempt);
  AddLoad(worker, -attempt.cost_us, 0);
  Changed(worker);
}

void Scheduler::State::AwaitArrival(AttemptRecord& attempt) {
  if (!attempt.HoldsSlot()) return;  // its worker went down meanwhile
  GiveSlotBack(attempt);
  workers.at(attempt.worker_id).arriving.push_back(&attempt);
  attempt.state = AttemptState::kArriving;
  timers.Clear(attempt.timer);
  WatchForLate(attempt);
}

void Scheduler::State::Complete(AttemptRecord& attempt) {
  TaskRecord* task = CurrentTask(attempt);
  if (task != nullptr && attempt.run_us > 0) {
    NoteEnd(*task, attempt);
    costs.NoteRun(task->task.key, attempt.home, attempt.run_us, attempt.bytes);
  }
  Forget(attempt);
  if (task != nullptr) End(*task, std::nullopt);
}

void Scheduler::State::Forget(AttemptRecord& attempt) {
  Release(attempt);
  timers.Clear(attempt.timer);
  attempts.erase(protocol::AttemptId(attempt.id));
}

void Scheduler::State::Void(AttemptRecord& attempt) {
  Release(attempt);
  attempt.state = AttemptState::kVoid;
  timers.Set(attempt.timer, now_ms + options.claim_expiry_ms);
}

void Scheduler::State::Abandon(AttemptRecord& attempt, const std::string& reason) {
  if (attempt.state == AttemptState::kOrphaned) {
    Void(attempt);
  } else if (attempt.state == AttemptState::kArriving) {
    Forget(attempt);
  } else if (attempt.HoldsSlot()) {
    NotLate(attempt);
    actions.push_back(Stop{attempt.id, attempt.worker_id, reason});
  }
}

void Scheduler::State::On(const Started& event) {
  const AttemptRecord* attempt = Find(event.attempt);
  if (attempt == nullptr || attempt->state == AttemptState::kRunning) return;
  const auto worker = workers.find(attempt->worker_id);
  if (worker != workers.end()) Adopt(worker->second, event.attempt);
}

void Scheduler::State::On(const Finished& event) {
  AttemptRecord* attempt = Find(event.attempt);
  if (attempt == nullptr) return;
  if (attempt->state == AttemptState::kRunning) {
    mean_run_ms += (now_ms - attempt->since_ms - mean_run_ms) / 8;
  }
  if (const TaskRecord* task = FindTask(event.attempt.task_id)) poison.Clear(SuspectOf(*task));
  const TaskRecord* task = CurrentTask(*attempt);
  attempt->finished = true;
  if (event.run_us > 0) {
    attempt->run_us = event.run_us;
    attempt->bytes = event.bytes;
  }
  const auto worker = workers.find(attempt->worker_id);
  if (task != nullptr && task->task.relayed && !attempt->arrived) {
    AwaitArrival(*attempt);
  } else {
    Complete(*attempt);
  }
  if (worker != workers.end() && worker->second.paused) {
    worker->second.paused = false;
    timers.Clear(worker->second.pause_timer);
    Changed(worker->second);
  }
}

void Scheduler::State::On(const Arrived& event) {
  AttemptRecord* attempt = Find(event.attempt);
  if (attempt == nullptr) return;
  attempt->arrived = true;
  if (attempt->finished) Complete(*attempt);
}

void Scheduler::State::On(const Lost& event) {
  AttemptRecord* attempt = Find(event.attempt);
  if (attempt == nullptr) return;
  TaskRecord* current = CurrentTask(*attempt);
  if (current == nullptr) return;
  TaskRecord& task = *current;
  const std::string worker = attempt->worker_id;
  if (event.delivered) {
    return End(task, LostError(task, "worker " + worker + " was lost in the middle of the result"));
  }
  std::string lost = "worker " + worker;
  lost +=
      attempt->finished ? " finished, but its result did not arrive" : " was lost under the query";
  // That it was not heard to start proves nothing: only a Refused does.
  if (task.task.write) return End(task, LostError(task, lost));
  if (task.retries >= options.max_retries) {
    lost += ", as " + std::to_string(task.retries) + " before it";
    return End(task, LostError(task, lost));
  }
  Abandon(*attempt, "its stream broke");
  NoteAnswer(task);
  task.moved.clear();
  task.where = Whereabouts::kNowhere;
  task.failed_on.insert(worker);
  ++task.retries;
  task.waiting_since_ms = now_ms;
  Place(task, Arrival::kAgain);
}

void Scheduler::State::On(const Refused& event) {
  AttemptRecord* attempt = Find(event.attempt);
  if (attempt == nullptr) return;
  TaskRecord* task = CurrentTask(*attempt);
  const auto worker = workers.find(attempt->worker_id);
  Forget(*attempt);
  if (worker != workers.end()) {
    // It knows better than we do; asking again at once would only spin.
    worker->second.paused = true;
    timers.Set(worker->second.pause_timer, now_ms + kRefusedPauseMs);
    Changed(worker->second);
  }
  if (task == nullptr) return;
  NoteAnswer(*task);
  task->where = Whereabouts::kNowhere;
  Place(*task, Arrival::kRefused);
}

void Scheduler::State::Expire() {
  while (const Timer* due = timers.PopDue(now_ms)) {
    switch (due->kind) {
      case TimerKind::kTask: {
        TaskRecord& task = *static_cast<TaskRecord*>(due->record);
        if (auto error = Overdue(task)) End(task, std::move(error));
        break;
      }
      case TimerKind::kAttempt:
        ExpireAttempt(*static_cast<AttemptRecord*>(due->record));
        break;
      case TimerKind::kPause: {
        WorkerRecord& worker = *static_cast<WorkerRecord*>(due->record);
        worker.paused = false;
        Changed(worker);
        break;
      }
      case TimerKind::kHold:
        static_cast<WorkerRecord*>(due->record)->flapping = false;
        Enlist();
        break;
      case TimerKind::kTrial:
        PassVerdicts();
        break;
    }
  }
}

void Scheduler::State::PassVerdicts() {
  for (const std::string& suspect : poison.PassVerdicts(now_ms)) {
    const std::string names = poison.WorkersThatDied(suspect, now_ms).value_or("");
    // Verdicts are rare: looking through all tasks costs nothing that counts.
    std::vector<std::string> ids;
    for (const auto& [id, task] : tasks) {
      if (SuspectOf(task) == suspect) ids.push_back(id);
    }
    std::sort(ids.begin(), ids.end());
    for (const std::string& id : ids) {
      End(*FindTask(id), ErrorFor(base::ErrorCode::kPoisoned,
                                  "workers died while they ran this query, and it is not tried on "
                                  "another: " +
                                      names));
    }
  }
  SetTrialTimer();
}

void Scheduler::State::SetTrialTimer() {
  if (const auto at_ms = poison.NextVerdictMs()) timers.Set(trial_timer, *at_ms);
}

void Scheduler::State::ReleaseHeld() {
  std::vector<TaskRecord*> released;
  for (const auto& [sequence, task] : held) {
    if (!poison.IsOnTrial(SuspectOf(*task))) released.push_back(task);
  }
  for (TaskRecord* task : released) {
    LetGo(*task);
    Place(*task, Arrival::kAgain);
  }
}

void Scheduler::State::ExpireAttempt(AttemptRecord& attempt) {
  TaskRecord* task = CurrentTask(attempt);
  const std::string worker = attempt.worker_id;
  if (attempt.state == AttemptState::kVoid) return Forget(attempt);
  if (attempt.IsUnderWay()) return WatchForLate(attempt);
  if (attempt.state == AttemptState::kOrphaned) {
    return End(*task, LostError(*task, "worker " + worker + " was lost under the query"));
  }
  Void(attempt);
  if (task == nullptr) return;
  // A client that still waits was kept from its worker, and may ask again: nothing has begun.
  base::ErrorInfo error = ErrorFor(base::ErrorCode::kCancelled,
                                   "nobody came for the slot on worker " + worker + " within " +
                                       std::to_string(options.claim_expiry_ms) + " ms");
  error.retryable = true;
  End(*task, std::move(error));
}

}  // namespace eider::schedule
