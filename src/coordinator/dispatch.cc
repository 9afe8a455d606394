#include "coordinator/dispatch.h"

#include <algorithm>
#include <chrono>
#include <type_traits>
#include <utility>

namespace eider::coordinator {
namespace {

// The id of the task that an event is about; empty for those about a worker or the time.
std::string TaskOf(const schedule::Event& event) {
  return std::visit(
      [](const auto& e) -> std::string {
        using E = std::decay_t<decltype(e)>;
        if constexpr (std::is_same_v<E, schedule::Submitted>) return e.task.id;
        if constexpr (std::is_same_v<E, schedule::Cancelled>) return e.task_id;
        if constexpr (requires { e.attempt.task_id; }) return e.attempt.task_id;
        return {};
      },
      event);
}

std::string TaskOf(const schedule::Action& action) {
  return std::visit(
      [](const auto& a) -> std::string {
        if constexpr (requires { a.task_id; }) {
          return a.task_id;
        } else {
          return a.attempt.task_id;
        }
      },
      action);
}

}  // namespace

Dispatcher::Dispatcher(schedule::Options options, const base::Clock& clock, StopHandler on_stop)
    : clock_(clock),
      on_stop_(std::move(on_stop)),
      scheduler_(options),
      timer_([this] { RunTimer(); }) {}

Dispatcher::~Dispatcher() {
  {
    base::MutexLock lock(mutex_);
    stopped_ = true;
  }
  timer_changed_.NotifyAll();
  timer_.join();
}

void Dispatcher::Submit(schedule::Task task, std::shared_ptr<TaskListener> listener) {
  {
    base::MutexLock lock(mutex_);
    listeners_[task.id] = std::move(listener);
    Decide(schedule::Submitted{std::move(task)});
  }
  Deliver();
}

bool Dispatcher::Handle(const schedule::Event& event) {
  const std::string task = TaskOf(event);
  bool known = true;
  {
    base::MutexLock lock(mutex_);
    if (!task.empty()) known = listeners_.contains(task);
    // The scheduler hears of ended tasks too: a late start is to be stopped, a slot to be freed.
    Decide(event);
    if (!task.empty() && !scheduler_.Has(task)) listeners_.erase(task);
  }
  Deliver();
  return known;
}

void Dispatcher::Decide(const schedule::Event& event) {
  for (schedule::Action& action : scheduler_.Handle(event, clock_.MonotonicMs())) {
    const auto at = listeners_.find(TaskOf(action));
    std::shared_ptr<TaskListener> listener = at == listeners_.end() ? nullptr : at->second;
    if (std::holds_alternative<schedule::Reject>(action) && listener != nullptr) {
      listeners_.erase(at);
    }
    deliveries_.push_back({std::move(listener), std::move(action)});
  }
  const std::optional<int64_t> due_ms = scheduler_.NextTimerMs();
  if (due_ms && (!armed_ms_ || *due_ms < *armed_ms_)) timer_changed_.NotifyAll();
}

void Dispatcher::Deliver() {
  while (true) {
    Delivery next;
    {
      base::MutexLock lock(mutex_);
      if (delivering_ || deliveries_.empty()) return;
      delivering_ = true;
      next = std::move(deliveries_.front());
      deliveries_.pop_front();
    }
    if (const auto* stop = std::get_if<schedule::Stop>(&next.action)) {
      on_stop_(*stop);
    } else if (const auto* move = std::get_if<schedule::Move>(&next.action)) {
      const bool moves = next.listener != nullptr && next.listener->OnMove(*move);
      if (!moves) Handle(schedule::Kept{move->attempt});
    } else if (next.listener == nullptr) {
      // Nobody waits for it.
    } else if (const auto* claim = std::get_if<schedule::Claim>(&next.action)) {
      next.listener->OnClaim(*claim);
    } else {
      next.listener->OnReject(std::get<schedule::Reject>(next.action).error);
    }
    base::MutexLock lock(mutex_);
    delivering_ = false;
  }
}

void Dispatcher::RunTimer() {
  while (true) {
    {
      base::MutexLock lock(mutex_);
      if (stopped_) return;
      const std::optional<int64_t> due_ms = scheduler_.NextTimerMs();
      const int64_t now_ms = clock_.MonotonicMs();
      armed_ms_ = due_ms;
      if (!due_ms) {
        timer_changed_.Wait(mutex_);
        continue;
      }
      if (*due_ms > now_ms) {
        timer_changed_.WaitUntil(
            mutex_, std::chrono::steady_clock::now() + std::chrono::milliseconds(*due_ms - now_ms));
        continue;
      }
      Decide(schedule::Tick{});
    }
    Deliver();
  }
}

schedule::Route Dispatcher::Explain(const schedule::Task& task) const {
  base::MutexLock lock(mutex_);
  return scheduler_.Explain(task);
}

std::optional<base::ErrorInfo> Dispatcher::RefusesAll(const std::string& client,
                                                      int priority) const {
  base::MutexLock lock(mutex_);
  return scheduler_.RefusesAll(client, priority);
}

int Dispatcher::waiting() const {
  base::MutexLock lock(mutex_);
  return scheduler_.waiting();
}

std::vector<schedule::WorkerView> Dispatcher::workers() const {
  base::MutexLock lock(mutex_);
  return scheduler_.workers();
}

schedule::Figures Dispatcher::figures() const {
  base::MutexLock lock(mutex_);
  return scheduler_.figures();
}

}  // namespace eider::coordinator
