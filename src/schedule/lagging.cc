// Which worker is slow (its link, its machine, its processor's other users), and what leaves it.
// Of a relayed task the way of its result counts too: it has left its worker, and its slot, before.
//
// Loads are estimates, and a home that has a free slot takes its tasks whatever its load: where
// slots are many, a slow home would in the end have all clients wait for it. What tells is what
// runs there now. Tasks that are late may be heavy ones, or have clients that read slowly: so it
// takes two, what began after them and ended on time clears them, and nothing goes to a worker that
// has late ones too, for then it is S3 that is slow, and running away would only lose the cache.
#include <algorithm>
#include <utility>

#include "schedule/state.h"

namespace eider::schedule {

void Scheduler::State::WatchForLate(AttemptRecord& attempt) {
  const TaskRecord* task = CurrentTask(attempt);
  if (task == nullptr || attempt.cleared || attempt.late) return;
  const auto late_us = costs.LateUs(task->task.key);
  const int64_t at_ms = late_us ? attempt.since_ms + *late_us / 1'000 + 1 : now_ms + kLateUnknownMs;
  if (at_ms > now_ms) return timers.Set(attempt.timer, at_ms);
  attempt.late = true;
  ++workers.at(attempt.worker_id).late;
  movable.emplace(std::pair(attempt.since_ms, attempt.timer.number), &attempt);
}

void Scheduler::State::NotLate(AttemptRecord& attempt) {
  if (attempt.IsUnderWay()) timers.Clear(attempt.timer);
  if (!std::exchange(attempt.late, false)) return;
  WorkerRecord& worker = workers.at(attempt.worker_id);
  --worker.late;
  if (std::exchange(attempt.asked, false)) --worker.asked;
  movable.erase({attempt.since_ms, attempt.timer.number});
}

void Scheduler::State::NoteEnd(const TaskRecord& task, const AttemptRecord& attempt) {
  if (!attempt.IsUnderWay()) return;
  const auto late_us = costs.LateUs(task.task.key);
  if (late_us && (now_ms - attempt.since_ms) * 1'000 > *late_us) return;
  WorkerRecord& worker = workers.at(attempt.worker_id);
  if (attempt.since_ms > worker.slow_ms) worker.slow_ms = -1;
  worker.ForEachAttempt([&](AttemptRecord& other) {
    if (!other.IsUnderWay() || other.since_ms >= attempt.since_ms) return;
    NotLate(other);
    other.cleared = true;
  });
}

bool Scheduler::State::Lags(const WorkerRecord& worker) const {
  if (worker.slow_ms < 0 && worker.late < kMinLate) return false;
  int64_t oldest_ms = now_ms, youngest_ms = 0;  // when they began
  worker.ForEachAttempt([&](const AttemptRecord& attempt) {
    if (attempt.late) oldest_ms = std::min(oldest_ms, attempt.since_ms);
    youngest_ms = std::max(youngest_ms, attempt.since_ms);
  });
  // One task at a time, to find out; what was there before finds nothing out.
  if (worker.slow_ms >= 0) return youngest_ms > worker.slow_ms;
  // One more where the youngest is half as old as the oldest: ever more rarely.
  return now_ms - oldest_ms > 2 * (now_ms - youngest_ms);
}

WorkerRecord* Scheduler::State::WellIdle(const TaskRecord& task) const {
  int looked_at = 0;
  for (const auto& [load, worker] : idle) {
    if (++looked_at > kMaxIdleAsked) break;
    if (worker->late == 0 && worker->slow_ms < 0 && !Avoids(task, *worker)) return worker;
  }
  return nullptr;
}

bool Scheduler::State::MayMove(const AttemptRecord& attempt) {
  const TaskRecord* task = CurrentTask(attempt);
  if (task == nullptr || !task->task.relayed || task->task.write) return false;
  if (attempt.arrived || task->move != TaskRecord::Move::kNotAsked) return false;
  const auto late_us = costs.LateUs(task->task.key);
  return late_us && (now_ms - attempt.since_ms) * 1'000 < kTooLateToMove * *late_us;
}

void Scheduler::State::MoveLate() {
  int looked_at = 0;
  for (auto at = movable.begin(); at != movable.end();) {
    if (moves_asked >= std::ssize(idle) || ++looked_at > kMaxLateAsked) return;
    AttemptRecord& attempt = *at->second;
    if (!MayMove(attempt)) {
      at = movable.erase(at);
      continue;
    }
    ++at;
    WorkerRecord& worker = workers.at(attempt.worker_id);
    TaskRecord& task = *CurrentTask(attempt);
    const int enough = worker.slow_ms >= 0 ? 1 : kMinLate;
    if (worker.late - worker.asked < enough || WellIdle(task) == nullptr) continue;
    movable.erase(std::pair(attempt.since_ms, attempt.timer.number));
    task.move = TaskRecord::Move::kAsked;
    task.moves_from = worker.id;
    attempt.asked = true;
    ++worker.asked;
    ++moves_asked;
    actions.push_back(Move{attempt.id, worker.id});
  }
}

TaskRecord* Scheduler::State::AskedTask(const protocol::AttemptId& id) {
  TaskRecord* task = FindTask(id.task_id);
  const bool asked = task != nullptr && task->attempt == id.attempt &&
                     task->where == Whereabouts::kClaimed && task->move == TaskRecord::Move::kAsked;
  return asked ? task : nullptr;
}

void Scheduler::State::NoteAnswer(TaskRecord& task) {
  if (task.move != TaskRecord::Move::kAsked) return;
  task.move = TaskRecord::Move::kAnswered;
  --moves_asked;
  AttemptRecord* attempt = Find({task.task.id, task.attempt});
  if (attempt != nullptr && std::exchange(attempt->asked, false)) {
    --workers.at(attempt->worker_id).asked;
  }
}

void Scheduler::State::On(const Moved& event) {
  TaskRecord* task = AskedTask(event.attempt);
  if (task == nullptr) return;
  NoteAnswer(*task);
  AttemptRecord& attempt = *Find(event.attempt);
  if (attempt.state != AttemptState::kOrphaned) workers.at(task->moves_from).slow_ms = now_ms;
  Abandon(attempt, "its worker is slow, it runs elsewhere now");
  task->failed_on.insert(task->moves_from);
  task->moved = "moved from " + task->moves_from + " after " +
                std::to_string(now_ms - task->waiting_since_ms) + " ms: ";
  task->waiting_since_ms = now_ms;
  task->where = Whereabouts::kNowhere;
  Place(*task, Arrival::kAgain);
}

void Scheduler::State::On(const Kept& event) {
  TaskRecord* task = AskedTask(event.attempt);
  if (task != nullptr) NoteAnswer(*task);
}

}  // namespace eider::schedule
