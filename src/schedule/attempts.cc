// What is heard of attempts, and what happens to them as time passes.
#include <utility>

#include "schedule/state.h"

namespace eider::schedule {

AttemptRecord* Scheduler::State::Find(const protocol::AttemptId& id) {
  const auto at = attempts.find(id);
  return at == attempts.end() ? nullptr : &at->second;
}

bool Scheduler::State::IsCurrent(const AttemptRecord& attempt) const {
  const auto task = tasks.find(attempt.id.task_id);
  return task != tasks.end() && task->second.where == Whereabouts::kClaimed &&
         task->second.attempt == attempt.id.attempt;
}

void Scheduler::State::Release(const AttemptRecord& attempt) {
  if (!attempt.HoldsSlot()) return;
  WorkerRecord& worker = workers.at(attempt.worker_id);
  worker.attempts.erase(attempt.id);
  Changed(worker);
}

void Scheduler::State::Forget(const protocol::AttemptId& id) {
  const auto at = attempts.find(id);
  Release(at->second);
  timers.Clear(AttemptTimer(at->first));
  attempts.erase(at);
}

void Scheduler::State::Void(AttemptRecord& attempt) {
  Release(attempt);
  attempt.state = AttemptState::kVoid;
  timers.Set(AttemptTimer(attempt.id), now_ms + options.claim_expiry_ms);
}

void Scheduler::State::Abandon(AttemptRecord& attempt, const std::string& reason) {
  if (attempt.state == AttemptState::kOrphaned) {
    Void(attempt);
  } else if (attempt.HoldsSlot()) {
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
  const AttemptRecord* attempt = Find(event.attempt);
  if (attempt == nullptr) return;
  const AttemptRecord ended = *attempt;
  const bool current = IsCurrent(ended);
  if (ended.state == AttemptState::kRunning) {
    mean_run_ms += (now_ms - ended.started_ms - mean_run_ms) / 8;
  }
  const auto task = tasks.find(ended.id.task_id);
  if (task != tasks.end()) poison.Clear(task->second.task.fingerprint);
  Forget(ended.id);
  if (current) End(ended.id.task_id, std::nullopt);
  const auto worker = workers.find(ended.worker_id);
  if (worker != workers.end() && worker->second.paused) {
    worker->second.paused = false;
    timers.Clear(WorkerTimer(ended.worker_id));
    Changed(worker->second);
  }
}

void Scheduler::State::On(const Lost& event) {
  AttemptRecord* attempt = Find(event.attempt);
  if (attempt == nullptr || !IsCurrent(*attempt)) return;
  TaskRecord& task = tasks.at(event.attempt.task_id);
  const std::string worker = attempt->worker_id;
  if (event.delivered) {
    return End(task.task.id,
               LostError(task, "worker " + worker + " was lost in the middle of the result"));
  }
  // That it was not heard to start proves nothing: only a Refused does.
  if (task.task.write) {
    return End(task.task.id, LostError(task, "worker " + worker + " was lost under the query"));
  }
  if (task.retries >= options.max_retries) {
    return End(task.task.id, LostError(task, "worker " + worker + " was lost under the query, as " +
                                                 std::to_string(task.retries) + " before it"));
  }
  Abandon(*attempt, "its stream broke");
  task.where = Whereabouts::kNowhere;
  task.failed_on.insert(worker);
  ++task.retries;
  task.waiting_since_ms = now_ms;
  Place(task, Arrival::kAgain);
}

void Scheduler::State::On(const Refused& event) {
  const AttemptRecord* attempt = Find(event.attempt);
  if (attempt == nullptr) return;
  const bool current = IsCurrent(*attempt);
  const auto worker = workers.find(attempt->worker_id);
  Forget(event.attempt);
  if (worker != workers.end()) {
    // It knows better than we do; asking again at once would only spin.
    worker->second.paused = true;
    timers.Set(WorkerTimer(worker->first), now_ms + kRefusedPauseMs);
    Changed(worker->second);
  }
  if (!current) return;
  TaskRecord& task = tasks.at(event.attempt.task_id);
  task.where = Whereabouts::kNowhere;
  Place(task, Arrival::kRefused);
}

void Scheduler::State::Expire() {
  while (const auto due = timers.PopDue(now_ms)) {
    switch (due->kind) {
      case TimerKind::kTask: {
        const std::optional<base::ErrorInfo> error = Overdue(tasks.at(due->id));
        if (error) End(due->id, error);
        break;
      }
      case TimerKind::kAttempt:
        ExpireAttempt({due->id, due->attempt});
        break;
      case TimerKind::kWorker: {
        WorkerRecord& worker = workers.at(due->id);
        worker.paused = false;
        Changed(worker);
        break;
      }
    }
  }
}

void Scheduler::State::ExpireAttempt(const protocol::AttemptId& id) {
  AttemptRecord& attempt = attempts.at(id);
  const bool current = IsCurrent(attempt);
  const std::string worker = attempt.worker_id;
  if (attempt.state == AttemptState::kVoid) return Forget(id);
  if (attempt.state == AttemptState::kOrphaned) {
    const TaskRecord& task = tasks.at(id.task_id);
    return End(id.task_id, LostError(task, "worker " + worker + " was lost under the query"));
  }
  Void(attempt);
  if (!current) return;
  End(id.task_id, ErrorFor(base::ErrorCode::kCancelled,
                           "nobody came for the slot on worker " + worker + " within " +
                               std::to_string(options.claim_expiry_ms) + " ms"));
}

}  // namespace eider::schedule
