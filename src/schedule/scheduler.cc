#include "schedule/scheduler.h"

#include <algorithm>
#include <utility>

#include "schedule/state.h"

namespace eider::schedule {

base::ErrorInfo ErrorFor(base::ErrorCode code, std::string message) {
  return {.code = code,
          .message = std::move(message),
          .retryable = base::IsRetryable(code),
          .retry_after_ms = std::nullopt};
}

base::ErrorInfo LostError(const TaskRecord& task, const std::string& message) {
  base::ErrorInfo error = ErrorFor(base::ErrorCode::kWorkerLost, message);
  if (task.task.write) {
    error.message += "; it writes, and may or may not have taken place";
    error.retryable = false;
  }
  return error;
}

base::ErrorInfo Scheduler::State::Overloaded(std::string message, int ahead, int slots) const {
  base::ErrorInfo error = ErrorFor(base::ErrorCode::kOverloaded, std::move(message));
  const int64_t wait_ms = slots > 0 ? (ahead + 1) * mean_run_ms / slots : kUnknownRunMs;
  error.retry_after_ms = std::clamp(wait_ms, kMinRetryAfterMs, kMaxRetryAfterMs);
  return error;
}

std::optional<base::ErrorInfo> Scheduler::State::Overdue(const TaskRecord& task) const {
  if (task.task.deadline_ms > 0 && now_ms >= task.task.deadline_ms) {
    return ErrorFor(base::ErrorCode::kDeadlineExceeded,
                    "the query's deadline passed before it could run");
  }
  const int64_t waited_ms = now_ms - task.waiting_since_ms;
  if (waited_ms < options.max_wait_ms) return std::nullopt;
  int slots = 0;
  for (const auto& [id, worker] : workers) slots += worker.Eligible() ? worker.slots : 0;
  const std::string waited = " (waited " + std::to_string(waited_ms) + " ms)";
  if (slots == 0) return Overloaded("no worker is up" + waited, 0, 0);
  return Overloaded("no slot became free in time" + waited, waiting, slots);
}

void Scheduler::State::On(const Submitted& event) {
  const auto [at, is_new] = tasks.try_emplace(event.task.id);
  if (!is_new) return;
  TaskRecord& task = at->second;
  task.task = event.task;
  task.sequence = next_sequence++;
  task.submitted_ms = now_ms;
  task.waiting_since_ms = now_ms;
  if (const auto workers_died = poison.WorkersThatDied(task.task.fingerprint, now_ms)) {
    const int64_t left_ms = poison.LeftMs(task.task.fingerprint, now_ms);
    return End(task.task.id,
               ErrorFor(base::ErrorCode::kPoisoned,
                        "workers died while they ran this query, and it is not run again for " +
                            std::to_string((left_ms + 999) / 1000) + " s: " + *workers_died));
  }
  Place(task, Arrival::kNew);
}

void Scheduler::State::On(const Cancelled& event) {
  if (!tasks.contains(event.task_id)) return;
  End(event.task_id, ErrorFor(base::ErrorCode::kCancelled, event.reason));
}

void Scheduler::State::End(const std::string& task_id, std::optional<base::ErrorInfo> error) {
  const auto at = tasks.find(task_id);
  const std::string id = at->first;  // the argument may be a part of what is erased
  TaskRecord& task = at->second;
  if (task.where == Whereabouts::kWaiting) LeaveLine(task);
  if (task.where == Whereabouts::kClaimed) {
    AttemptRecord* attempt = Find({id, task.attempt});  // none when it has just finished
    if (attempt != nullptr) Abandon(*attempt, error ? error->message : "the query has ended");
  }
  timers.Clear(TaskTimer(id));
  tasks.erase(at);
  if (error) actions.push_back(Reject{id, std::move(*error)});
}

Scheduler::Scheduler(Options options) : state_(std::make_unique<State>(options)) {}
Scheduler::~Scheduler() = default;

std::vector<Action> Scheduler::Handle(const Event& event, int64_t now_ms) {
  state_->now_ms = std::max(state_->now_ms, now_ms);
  // What happened comes before what time has undone: a claim that starts at its last moment starts.
  std::visit([this](const auto& what) { state_->On(what); }, event);
  state_->Expire();
  state_->Dispatch();
  return std::exchange(state_->actions, {});
}

std::optional<int64_t> Scheduler::NextTimerMs() const { return state_->timers.NextMs(); }

bool Scheduler::Has(const std::string& task_id) const { return state_->tasks.contains(task_id); }

Route Scheduler::Explain(const Task& task) const { return {.key = task.key}; }

int Scheduler::waiting() const { return state_->waiting; }

std::vector<WorkerView> Scheduler::workers() const {
  std::vector<WorkerView> views;
  views.reserve(state_->workers.size());
  for (const auto& [id, worker] : state_->workers) {
    views.push_back({.worker_id = id,
                     .slots = worker.slots,
                     .occupied = worker.Occupied(),
                     .waiting = worker.line.size(),
                     .draining = worker.draining});
  }
  return views;
}

}  // namespace eider::schedule
