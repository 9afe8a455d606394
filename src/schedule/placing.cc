// Which worker gets a task, and which task a free slot gets.
#include <algorithm>
#include <tuple>
#include <utility>

#include "schedule/rendezvous.h"
#include "schedule/state.h"

namespace eider::schedule {
namespace {

std::vector<Candidate> Candidates(const std::map<std::string, WorkerRecord>& workers) {
  std::vector<Candidate> candidates;
  candidates.reserve(workers.size());
  for (const auto& [id, worker] : workers) {
    if (worker.Eligible()) candidates.push_back({id, static_cast<double>(worker.slots)});
  }
  return candidates;
}

// Only homes fill their caches: what runs elsewhere must not evict what they keep.
protocol::CacheMode Mode(bool home, bool stolen, bool stolen_cache) {
  if (home) return protocol::CacheMode::kUse;
  return stolen && !stolen_cache ? protocol::CacheMode::kOff : protocol::CacheMode::kPassive;
}

}  // namespace

std::vector<std::string_view> Scheduler::State::Order(const TaskRecord& task) const {
  return task.task.key ? Rank(*task.task.key, Candidates(workers)) : LeastLoaded(task);
}

std::vector<std::string_view> Scheduler::State::LeastLoaded(const TaskRecord& task) const {
  // By rank of the task's own id where loads are equal, so that these spread over idle workers.
  const std::vector<std::string_view> ranked = Rank(task.task.id, Candidates(workers));
  std::vector<std::tuple<bool, double, size_t>> loads;  // full, share taken, rank
  loads.reserve(ranked.size());
  for (const std::string_view id : ranked) {
    const WorkerRecord& worker = workers.at(std::string(id));
    const int outstanding = worker.Occupied() + worker.line.size();
    loads.emplace_back(!worker.HasFreeSlot(), static_cast<double>(outstanding) / worker.slots,
                       loads.size());
  }
  std::sort(loads.begin(), loads.end());
  std::vector<std::string_view> order;
  order.reserve(loads.size());
  for (const auto& load : loads) order.push_back(ranked[std::get<size_t>(load)]);
  return order;
}

bool Scheduler::State::Avoids(const TaskRecord& task, std::string_view worker_id) const {
  if (!task.failed_on.contains(std::string(worker_id))) return false;
  return std::any_of(workers.begin(), workers.end(), [&task](const auto& entry) {
    return entry.second.Eligible() && !task.failed_on.contains(entry.first);
  });
}

std::string Scheduler::State::Reason(const TaskRecord& task,
                                     const std::vector<std::string_view>& order,
                                     const std::string& worker_id, const std::string& line) const {
  const bool keyed = task.task.key.has_value();
  const auto rank = std::find(order.begin(), order.end(), worker_id) - order.begin();
  if (keyed && rank == 0) return "home rank 0";
  if (line != worker_id) {
    const int64_t waited_ms = now_ms - task.waiting_since_ms;
    return "stolen from " + line + " after " + std::to_string(waited_ms) + " ms";
  }
  if (!keyed) return "least loaded";
  const std::string owner(order.front());
  std::string why = "is full";
  if (task.failed_on.contains(owner)) {
    why = "was lost under it";
  } else if (workers.at(owner).HasFreeSlot()) {
    why = "came later";
  }
  return "overflow rank " + std::to_string(rank) + ": owner " + owner + " " + why;
}

void Scheduler::State::GiveSlot(TaskRecord& task, WorkerRecord& worker,
                                const std::vector<std::string_view>& order,
                                const std::string& line) {
  const bool home = !task.task.key || order.front() == worker.id;
  const protocol::AttemptId id{task.task.id, ++task.attempt};
  actions.push_back(Claim{.attempt = id,
                          .worker_id = worker.id,
                          .cache_mode = Mode(home, line != worker.id, options.stolen_cache),
                          .reason = Reason(task, order, worker.id, line),
                          .queue_ms = now_ms - task.submitted_ms});
  task.where = Whereabouts::kClaimed;
  timers.Clear(TaskTimer(task.task.id));
  attempts[id] = {.id = id, .worker_id = worker.id, .state = AttemptState::kClaimed};
  timers.Set(AttemptTimer(id), now_ms + options.claim_expiry_ms);
  worker.attempts.insert(id);
  Changed(worker);
}

void Scheduler::State::Place(TaskRecord& task, Arrival arrival) {
  if (auto error = Overdue(task)) return End(task.task.id, std::move(error));
  const std::vector<std::string_view> order = Order(task);
  WorkerRecord* first = nullptr;  // the best that the task does not avoid
  for (const std::string_view id : order) {
    WorkerRecord& worker = workers.at(std::string(id));
    if (Avoids(task, id)) continue;
    if (worker.HasFreeSlot()) return GiveSlot(task, worker, order, worker.id);
    if (first == nullptr) first = &worker;
  }
  if (arrival == Arrival::kNew) {
    if (waiting >= options.max_waiting) {
      int slots = 0;
      for (const std::string_view id : order) slots += workers.at(std::string(id)).slots;
      return End(task.task.id,
                 Overloaded(std::to_string(waiting) + " queries are waiting", waiting, slots));
    }
    const int length = first == nullptr ? 0 : first->line.size();
    if (first != nullptr && length >= options.line_length_per_slot * first->slots) {
      return End(task.task.id, Overloaded("the line of worker " + first->id + " is full (" +
                                              std::to_string(length) + " queries are waiting)",
                                          length, first->slots));
    }
  }
  JoinLine(task, first, arrival);
}

void Scheduler::State::JoinLine(TaskRecord& task, WorkerRecord* worker, Arrival arrival) {
  task.where = Whereabouts::kWaiting;
  task.line = worker == nullptr ? "" : worker->id;
  Line& line = worker == nullptr ? unplaced : worker->line;
  const Waiting entry{.task_id = task.task.id,
                      .client = task.task.client,
                      .priority = task.task.priority,
                      .sequence = task.sequence};
  if (arrival == Arrival::kRefused) {
    line.PushFront(entry);
  } else {
    line.Push(entry);
  }
  ++waiting;
  const int64_t patience_ms = task.waiting_since_ms + options.max_wait_ms;
  const int64_t deadline_ms = task.task.deadline_ms;
  timers.Set(TaskTimer(task.task.id),
             deadline_ms > 0 ? std::min(deadline_ms, patience_ms) : patience_ms);
  if (worker != nullptr) Changed(*worker);
}

void Scheduler::State::LeaveLine(TaskRecord& task) {
  task.where = Whereabouts::kNowhere;
  timers.Clear(TaskTimer(task.task.id));
  --waiting;
  if (task.line.empty()) return unplaced.Remove(task.task.id);
  WorkerRecord& worker = workers.at(task.line);
  worker.line.Remove(task.task.id);
  Changed(worker);
}

void Scheduler::State::Dispatch() {
  if (by_length.empty()) return;
  for (const std::string& id : std::vector<std::string>(free.begin(), free.end())) {
    WorkerRecord& worker = workers.at(id);
    while (worker.HasFreeSlot() && TakeNext(worker)) {
    }
  }
}

bool Scheduler::State::TakeNext(WorkerRecord& worker) {
  std::optional<std::string> task_id = worker.line.Front();
  for (auto at = by_length.begin(); !task_id && at != by_length.end(); ++at) {
    task_id = workers.at(at->second).line.OldestThat([&](const std::string& id) {
      return !Avoids(tasks.at(id), worker.id);
    });
  }
  if (!task_id) return false;
  TaskRecord& task = tasks.at(*task_id);
  const std::string line = task.line;
  if (line == worker.id) worker.line.Pop();  // takes the client's turn, as Remove() would not
  LeaveLine(task);
  GiveSlot(task, worker, Order(task), line);
  return true;
}

void Scheduler::State::Changed(const WorkerRecord& worker) {
  if (worker.HasFreeSlot()) {
    free.insert(worker.id);
  } else {
    free.erase(worker.id);
  }
  const int length = worker.line.size();
  const auto at = lengths.find(worker.id);
  const int before = at == lengths.end() ? 0 : at->second;
  if (length == before) return;
  if (before > 0) by_length.erase({-before, worker.id});
  if (length > 0) by_length.emplace(-length, worker.id);
  if (length > 0) {
    lengths[worker.id] = length;
  } else {
    lengths.erase(at);
  }
}

}  // namespace eider::schedule
