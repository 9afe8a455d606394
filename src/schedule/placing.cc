// Which worker gets a task.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "schedule/state.h"

namespace eider::schedule {
namespace {

// Only homes fill their caches: what runs elsewhere must not evict what they keep.
protocol::CacheMode Mode(bool home, bool stolen, bool stolen_cache) {
  if (home) return protocol::CacheMode::kUse;
  return stolen && !stolen_cache ? protocol::CacheMode::kOff : protocol::CacheMode::kPassive;
}

std::string HomeReason(int rank) {
  std::string reason = "home rank " + std::to_string(rank);
  if (rank > 0) reason += " of a hot key";
  return reason;
}

}  // namespace

bool Scheduler::State::Avoids(const TaskRecord& task, const WorkerRecord& worker) const {
  if (!task.failed_on.contains(worker.id)) return false;
  const auto failed =
      std::count_if(task.failed_on.begin(), task.failed_on.end(), [this](const std::string& id) {
        const auto at = workers.find(id);
        return at != workers.end() && at->second.eligible;
      });
  return failed < std::ssize(roster);
}

bool Scheduler::State::LineIsFull(const WorkerRecord& worker) const {
  return worker.line.size() >= options.line_length_per_slot * worker.slots;
}

double Scheduler::State::BoundUs(const WorkerRecord& worker, int64_t cost_us) const {
  const double share = static_cast<double>(worker.slots) / static_cast<double>(total_slots);
  const double bound = options.load_factor * static_cast<double>(total_load_us + cost_us) * share;
  // In whole tasks of this cost: an idle worker may always take one.
  const double cost = static_cast<double>(cost_us);
  return std::ceil(bound / cost) * cost;
}

bool Scheduler::State::IsWithinBound(const WorkerRecord& worker, int64_t cost_us) const {
  return static_cast<double>(worker.load_us() + cost_us) <= BoundUs(worker, cost_us);
}

bool Scheduler::State::AnyWithinBound(const TaskRecord& task) const {
  // Where slots differ, the one with the least load for each slot is not always the one to ask.
  if (!uniform || by_load.empty() || !task.failed_on.empty()) return true;
  return IsWithinBound(*by_load.begin()->second, task.cost_us);
}

bool Scheduler::State::IsSoonFree(const TaskRecord& task, const WorkerRecord& home) const {
  return options.patience && costs.any_known() &&
         ExpectedWaitUs(home) <= costs.StealAfterUs(task.task.key);
}

int Scheduler::State::MostHomes() const {
  return std::min<int>(std::max(options.replicas, options.hot_replicas),
                       static_cast<int>(roster.size()));
}

int Scheduler::State::HomesOf(const std::string& key) const {
  return std::min(costs.Homes(key, options.replicas, now_ms), MostHomes());
}

std::string Scheduler::State::Excuse(const TaskRecord& task, const WorkerRecord& worker) const {
  if (Avoids(task, worker)) {
    const bool moved = !task.moved.empty() && worker.id == task.moves_from;
    return moved ? "is slow" : "was lost under it";
  }
  if (worker.paused) return "refused a task just now";
  if (LineIsFull(worker)) return "has a full line";
  if (worker.slow_ms >= 0) return "is slow";
  if (worker.late > 0) {
    return "has " + std::to_string(worker.late) + (worker.late == 1 ? " late task" : " late tasks");
  }
  const double mean = static_cast<double>(total_load_us) / static_cast<double>(total_slots);
  const double own = static_cast<double>(worker.load_us()) / worker.slots;
  char text[64];
  std::snprintf(text, sizeof(text), "at %.1fx mean", mean > 0 ? own / mean : 0.0);
  return text;
}

WorkerRecord* Scheduler::State::LeastLoaded(const TaskRecord& task, bool past_full_lines) const {
  for (const WorkersByFigure* index : {&idle, &by_load}) {
    for (const auto& [load, worker] : *index) {
      if (!Avoids(task, *worker)) return worker;
    }
  }
  if (!past_full_lines) return nullptr;
  WorkerRecord* least = nullptr;
  for (WorkerRecord* worker : roster) {
    if (Avoids(task, *worker)) continue;
    const auto load = [](const WorkerRecord& of) {
      return static_cast<double>(of.load_us()) / of.slots;
    };
    if (least == nullptr || load(*worker) < load(*least)) least = worker;
  }
  return least;
}

Placement Scheduler::State::Choose(const TaskRecord& task, bool past_full_lines) const {
  if (roster.empty()) return {};
  if (task.task.key) return ChooseInRank(task, past_full_lines);
  Placement placement{.worker = WellIdle(task), .home = true};
  if (placement.worker == nullptr) placement.worker = LeastLoaded(task, past_full_lines);
  placement.reason = "least loaded";
  return placement;
}

Placement Scheduler::State::ChooseInRank(const TaskRecord& task, bool past_full_lines) const {
  Placement placement{.roster_version = roster_version};
  Ranking ranking(*task.task.key, members, uniform, scores);
  const int homes = HomesOf(*task.task.key);
  for (int rank = 0; rank < homes; ++rank) {
    const auto next = ranking.Next();
    if (!next) break;
    placement.homes.push_back(roster[*next]);
  }
  const auto found = [&](WorkerRecord* worker, int rank) {
    placement.worker = worker;
    placement.rank = rank;
    placement.home = rank < homes;
    placement.reason = placement.home
                           ? HomeReason(rank)
                           : "overflow rank " + std::to_string(rank) + ": owner " +
                                 placement.homes[0]->id + " " + Excuse(task, *placement.homes[0]);
    return placement;
  };
  const auto is_idle = [&](const WorkerRecord& worker) {
    return worker.HasFreeSlot() && worker.line.size() == 0 && !Avoids(task, worker);
  };
  std::optional<int> lagging;
  for (int rank = 0; rank < std::ssize(placement.homes); ++rank) {
    WorkerRecord* home = placement.homes[static_cast<size_t>(rank)];
    if (!is_idle(*home)) continue;
    if (!Lags(*home)) return found(home, rank);
    if (!lagging) lagging = rank;
  }
  if (lagging) {
    for (int rank = homes; rank < homes + kLooksPastLagging; ++rank) {
      const auto next = ranking.Next();
      if (!next) break;
      WorkerRecord* worker = roster[*next];
      const bool well =
          worker->late == 0 && worker->slow_ms < 0 && IsWithinBound(*worker, task.cost_us);
      if (is_idle(*worker) && well) return found(worker, rank);
    }
    return found(placement.homes[static_cast<size_t>(*lagging)], *lagging);
  }
  if (!task.moved.empty()) {
    // It moves once: to a worker that is seen to be well.
    placement.worker = WellIdle(task);
    placement.reason = "the least loaded";
    if (placement.worker != nullptr) return placement;
  }
  for (int rank = 0; rank < std::ssize(placement.homes); ++rank) {
    WorkerRecord* home = placement.homes[static_cast<size_t>(rank)];
    const bool has_room = past_full_lines || !LineIsFull(*home);
    if (has_room && !Avoids(task, *home) && IsSoonFree(task, *home)) return found(home, rank);
  }
  const bool any = AnyWithinBound(task);
  for (int rank = 0; any; ++rank) {
    WorkerRecord* worker = nullptr;
    if (rank < std::ssize(placement.homes)) {
      worker = placement.homes[static_cast<size_t>(rank)];
    } else if (const auto next = ranking.Next()) {
      worker = roster[*next];
    }
    if (worker == nullptr) break;
    const bool has_room = past_full_lines || !LineIsFull(*worker);
    if (has_room && !Avoids(task, *worker) && IsWithinBound(*worker, task.cost_us)) {
      return found(worker, rank);
    }
  }
  placement.worker = LeastLoaded(task, past_full_lines);
  if (placement.worker == nullptr) return placement;
  const auto home = std::find(placement.homes.begin(), placement.homes.end(), placement.worker);
  placement.home = home != placement.homes.end();
  if (placement.home) {
    placement.rank = static_cast<int>(home - placement.homes.begin());
    placement.reason = HomeReason(*placement.rank);
  } else {
    placement.reason = "overflow to the least loaded: owner " + placement.homes[0]->id + " " +
                       Excuse(task, *placement.homes[0]);
  }
  return placement;
}

void Scheduler::State::Place(TaskRecord& task, Arrival arrival) {
  if (auto error = Overdue(task)) return End(task, std::move(error));
  if (poison.IsOnTrial(SuspectOf(task))) {
    const bool no_room = arrival == Arrival::kNew && waiting >= options.max_waiting;
    return no_room ? End(task, NoRoom()) : Hold(task);
  }
  task.cost_us = costs.CostUs(task.task.key);
  task.placement = Choose(task, /*past_full_lines=*/arrival != Arrival::kNew);
  WorkerRecord* worker = task.placement.worker;
  if (worker != nullptr && worker->HasFreeSlot() && worker->line.size() == 0) {
    return GiveSlot(task, *worker, task.placement.home, /*stolen=*/false, task.placement.reason);
  }
  const bool no_room = worker == nullptr && !roster.empty();
  if (arrival == Arrival::kNew && (no_room || waiting >= options.max_waiting)) {
    if (no_room) task.placement = Choose(task, /*past_full_lines=*/true);
    if (!MakeRoom(task)) return End(task, NoRoom());
  }
  JoinLine(task, arrival);
}

bool Scheduler::State::MakeRoom(const TaskRecord& task) {
  const WorkerRecord* worker = task.placement.worker;
  const Line& line = worker == nullptr ? unplaced : worker->line;
  TaskRecord* last = line.NewestOfTheMost(task.task.client, task.task.priority);
  if (last == nullptr) return false;
  base::ErrorInfo error = NoRoom();
  error.message += ", most of them of this client: the newest makes room for another's";
  End(*last, std::move(error));
  return true;
}

std::optional<base::ErrorInfo> Scheduler::State::RefusesAll(const std::string& client,
                                                            int priority) const {
  if (!idle.empty()) return std::nullopt;
  // With room for it, a task whose query is on trial is held, whatever the lines are like.
  const bool on_trial = trial_timer.at_ms.has_value();
  const bool lines_are_full = !roster.empty() && by_load.empty() && !on_trial;
  if (waiting < options.max_waiting && !lines_are_full) return std::nullopt;
  // Which of them it would come to, its key alone says.
  if (crowded.size() > kMaxCrowdedAsked) return std::nullopt;
  const auto makes_room = [&](const Line& line) {
    return line.HasNewestOfTheMost(client, priority);
  };
  if (makes_room(unplaced)) return std::nullopt;
  for (const WorkerRecord* worker : crowded) {
    if (makes_room(worker->line)) return std::nullopt;
  }
  return NoRoom();
}

base::ErrorInfo Scheduler::State::NoRoom() const {
  const std::string count = std::to_string(waiting) + " queries are waiting";
  const int slots = static_cast<int>(total_slots);
  if (waiting >= options.max_waiting) return Overloaded(count, waiting, slots);
  return Overloaded("the lines of all workers are full (" + count + ")", waiting, slots);
}

void Scheduler::State::GiveSlot(TaskRecord& task, WorkerRecord& worker, bool home, bool stolen,
                                const std::string& reason) {
  const protocol::AttemptId id{task.task.id, ++task.attempt};
  actions.push_back(Claim{.attempt = id,
                          .worker_id = worker.id,
                          .cache_mode = Mode(home, stolen, options.stolen_cache),
                          .reason = task.moved + reason,
                          .queue_ms = now_ms - task.submitted_ms});
  // Where it had to leave a worker that says nothing of the homes' load.
  if (task.task.key && task.failed_on.empty()) {
    const std::vector<WorkerRecord*>& homes = Homes(task);
    const auto at = std::find(homes.begin(), homes.end(), &worker);
    std::optional<int> index;
    if (at != homes.end()) index = static_cast<int>(at - homes.begin());
    costs.NoteClaim(*task.task.key, index, static_cast<int>(homes.size()), MostHomes(), now_ms);
  }
  task.where = Whereabouts::kClaimed;
  timers.Clear(task.timer);
  AttemptRecord& attempt = AddAttempt(id, worker.id);
  attempt.home = home;
  attempt.cost_us = task.cost_us;
  TakeSlot(attempt, worker);
  timers.Set(attempt.timer, now_ms + options.claim_expiry_ms);
}

void Scheduler::State::JoinLine(TaskRecord& task, Arrival arrival) {
  WorkerRecord* worker = task.placement.worker;
  if (worker != nullptr && options.stealing) {
    // Without a key there is no cache to run away from.
    const int64_t steal_after_us = task.task.key ? costs.StealAfterUs(task.task.key) : 0;
    const bool at_once = ExpectedWaitUs(*worker) > steal_after_us;
    const int64_t after_ms = at_once ? 0 : (steal_after_us + 999) / 1'000;
    task.steal_at_ms = task.waiting_since_ms + after_ms;
    steal_times.emplace(std::pair(*task.steal_at_ms, task.sequence), &task);
  }
  task.where = Whereabouts::kWaiting;
  task.line = worker;
  Line& line = worker == nullptr ? unplaced : worker->line;
  if (arrival == Arrival::kRefused) {
    line.PushFront(task.entry());
  } else {
    line.Push(task.entry());
  }
  ++waiting;
  timers.Set(task.timer, PatienceEndsMs(task));
  if (worker == nullptr) return;
  AddLoad(*worker, 0, task.cost_us);
  Changed(*worker);
}

int64_t Scheduler::State::PatienceEndsMs(const TaskRecord& task) const {
  const int64_t patience_ms = task.waiting_since_ms + options.max_wait_ms;
  const int64_t deadline_ms = task.task.deadline_ms;
  return deadline_ms > 0 ? std::min(deadline_ms, patience_ms) : patience_ms;
}

void Scheduler::State::Hold(TaskRecord& task) {
  task.where = Whereabouts::kHeld;
  held.emplace(task.sequence, &task);
  ++waiting;
  timers.Set(task.timer, PatienceEndsMs(task));
}

void Scheduler::State::LetGo(TaskRecord& task) {
  task.where = Whereabouts::kNowhere;
  held.erase(task.sequence);
  --waiting;
  timers.Clear(task.timer);
}

void Scheduler::State::LeaveLine(TaskRecord& task) {
  if (task.steal_at_ms) {
    steal_times.erase({*task.steal_at_ms, task.sequence});
    task.steal_at_ms.reset();
  }
  task.where = Whereabouts::kNowhere;
  timers.Clear(task.timer);
  --waiting;
  WorkerRecord* worker = std::exchange(task.line, nullptr);
  if (worker == nullptr) return unplaced.Remove(task.entry());
  worker->line.Remove(task.entry());
  AddLoad(*worker, 0, -task.cost_us);
  Changed(*worker);
}

void Scheduler::State::AddLoad(WorkerRecord& worker, int64_t running_us, int64_t waiting_us) {
  worker.running_us += running_us;
  worker.waiting_us += waiting_us;
  if (worker.eligible) total_load_us += running_us + waiting_us;
}

void Scheduler::State::Changed(WorkerRecord& worker) {
  const auto index = [&worker](WorkersByFigure& by, std::optional<double>& as,
                               std::optional<double> figure) {
    if (as == figure) return;
    if (as) by.erase({*as, &worker});
    if (figure) by.emplace(*figure, &worker);
    as = figure;
  };
  const auto for_each_slot = [&worker](int64_t us) {
    return static_cast<double>(us) / worker.slots;
  };
  std::optional<double> load, wait, idle_load;
  const bool free = worker.HasFreeSlot();
  if (worker.eligible && !LineIsFull(worker)) load = for_each_slot(worker.load_us());
  if (worker.eligible && worker.line.may_be_stolen_from()) wait = -for_each_slot(worker.waiting_us);
  if (free && worker.line.size() == 0) idle_load = for_each_slot(worker.load_us());
  index(by_load, worker.indexed_load, load);
  index(by_wait, worker.indexed_wait, wait);
  index(idle, worker.indexed_idle, idle_load);
  if (worker.indexed_crowded != worker.line.is_crowded()) {
    worker.indexed_crowded = worker.line.is_crowded();
    if (worker.indexed_crowded) {
      crowded.insert(&worker);
    } else {
      crowded.erase(&worker);
    }
  }
  if (free && worker.line.size() > 0 && !worker.indexed_serving) {
    worker.indexed_serving = true;
    serving.push_back(&worker);
  }
}

}  // namespace eider::schedule
