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
  const int slots = static_cast<int>(total_slots);
  const std::string waited = " (waited " + std::to_string(waited_ms) + " ms)";
  if (slots == 0) return Overloaded("no worker is up" + waited, 0, 0);
  return Overloaded("no slot became free in time" + waited, waiting, slots);
}

std::string SuspectOf(const TaskRecord& task) {
  return task.task.fingerprint.empty() ? "task " + task.task.id : task.task.fingerprint;
}

Scheduler::State::State(const Options& the_options)
    : options(the_options),
      costs({.steal_after_us = options.steal_after_ms * 1'000,
             .max_steal_after_us = options.max_steal_after_ms * 1'000,
             .max_keys = options.max_known_keys}),
      poison(options.poison_deaths, options.poison_memory_ms, options.incident_ms,
             options.max_poison_memories),
      trial_timer(NewTimer(TimerKind::kTrial, nullptr)) {}

TaskRecord* Scheduler::State::FindTask(const std::string& task_id) {
  const auto at = tasks.find(task_id);
  return at == tasks.end() ? nullptr : &at->second;
}

void Scheduler::State::On(const Submitted& event) {
  const auto [at, is_new] = tasks.try_emplace(event.task.id);
  if (!is_new) return;
  TaskRecord& task = at->second;
  task.task = event.task;
  task.sequence = next_number++;
  task.timer = NewTimer(TimerKind::kTask, &task);
  task.submitted_ms = now_ms;
  task.waiting_since_ms = now_ms;
  if (const auto workers_died = poison.WorkersThatDied(SuspectOf(task), now_ms)) {
    const int64_t left_ms = poison.LeftMs(SuspectOf(task), now_ms);
    return End(task, ErrorFor(base::ErrorCode::kPoisoned,
                              "workers died while they ran this query, and it is not run again "
                              "for " +
                                  std::to_string((left_ms + 999) / 1000) + " s: " + *workers_died));
  }
  Place(task, Arrival::kNew);
}

void Scheduler::State::On(const Cancelled& event) {
  TaskRecord* task = FindTask(event.task_id);
  if (task != nullptr) End(*task, ErrorFor(event.code, event.reason));
}

void Scheduler::State::End(TaskRecord& task, std::optional<base::ErrorInfo> error) {
  const std::string id = task.task.id;
  if (task.where == Whereabouts::kWaiting) LeaveLine(task);
  if (task.where == Whereabouts::kHeld) LetGo(task);
  if (task.where == Whereabouts::kClaimed) {
    AttemptRecord* attempt = Find({id, task.attempt});  // none when it has just ended
    if (attempt != nullptr) Abandon(*attempt, error ? error->message : "the query has ended");
  }
  NoteAnswer(task);
  timers.Clear(task.timer);
  tasks.erase(id);
  if (error) actions.push_back(Reject{id, std::move(*error)});
}

std::optional<int64_t> Scheduler::State::NextMs() const {
  std::optional<int64_t> next_ms = timers.NextMs();
  if (!options.stealing || idle.empty() || steal_times.empty()) return next_ms;
  const int64_t steal_ms = steal_times.begin()->first.first;
  return next_ms ? std::min(*next_ms, steal_ms) : steal_ms;
}

Scheduler::Scheduler(Options options) : state_(std::make_unique<State>(options)) {}
Scheduler::~Scheduler() = default;

std::vector<Action> Scheduler::Handle(const Event& event, int64_t now_ms) {
  state_->now_ms = std::max(state_->now_ms, now_ms);
  // What happened comes before what time has undone: a claim that starts at its last moment starts.
  std::visit([this](const auto& what) { state_->On(what); }, event);
  state_->Expire();
  state_->ReleaseHeld();
  state_->Dispatch();
  return std::exchange(state_->actions, {});
}

std::optional<int64_t> Scheduler::NextTimerMs() const { return state_->NextMs(); }

bool Scheduler::Has(const std::string& task_id) const { return state_->tasks.contains(task_id); }

Route Scheduler::Explain(const Task& task) const { return state_->Explain(task); }

std::optional<base::ErrorInfo> Scheduler::RefusesAll(const std::string& client,
                                                     int priority) const {
  return state_->RefusesAll(client, priority);
}

int Scheduler::waiting() const { return state_->waiting; }

int Scheduler::held() const { return static_cast<int>(state_->held.size()); }

Figures Scheduler::figures() const {
  const std::string nobodys_key = "?";  // no URL, no folder and no set
  return {.hot_keys = state_->costs.hot_keys(),
          .steal_after_ms = (state_->costs.StealAfterUs(nobodys_key) + 999) / 1'000};
}

std::vector<WorkerView> Scheduler::workers() const {
  std::vector<WorkerView> views;
  views.reserve(state_->workers.size());
  for (const auto& [id, worker] : state_->workers) {
    views.push_back({.worker_id = id,
                     .slots = worker.slots,
                     .occupied = worker.Occupied(),
                     .waiting = worker.line.size(),
                     .draining = worker.draining,
                     .held_back = worker.flapping ? "it flaps" : worker.not_ready_why,
                     .arriving = static_cast<int>(worker.arriving.size()),
                     .late = worker.late,
                     .slow = worker.slow_ms >= 0,
                     .load_ms = static_cast<double>(worker.load_us()) / 1'000});
  }
  return views;
}

}  // namespace eider::schedule
