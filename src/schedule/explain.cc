// What is told of a decision without taking it.
#include <algorithm>

#include "schedule/state.h"

namespace eider::schedule {
namespace {

// Workers that are listed at least, looked at or not.
constexpr size_t kListed = 10;

}  // namespace

Route Scheduler::State::Explain(const Task& task) const {
  TaskRecord record;
  record.task = task;
  record.cost_us = costs.CostUs(task.key);
  const Placement placement = Choose(record, /*past_full_lines=*/false);

  Route route{.key = task.key,
              .cost_ms = static_cast<double>(record.cost_us) / 1'000,
              .hot = task.key && HomesOf(*task.key) > options.replicas,
              .steal_after_ms = task.key ? (costs.StealAfterUs(task.key) + 999) / 1'000 : 0};
  const auto list = [&](const WorkerRecord& worker, int rank, std::string passed_over) {
    route.workers.push_back({.worker_id = worker.id,
                             .rank = rank,
                             .home = task.key && rank < std::ssize(placement.homes),
                             .slots = worker.slots,
                             .occupied = worker.Occupied(),
                             .waiting = worker.line.size(),
                             .load_ms = static_cast<double>(worker.load_us()) / 1'000,
                             .bound_ms = BoundUs(worker, record.cost_us) / 1'000,
                             .passed_over = std::move(passed_over)});
  };
  if (task.key) {
    Ranking ranking(*task.key, members, uniform, scores);
    bool chosen = placement.worker == nullptr;
    for (int rank = 0; const auto next = ranking.Next(); ++rank) {
      const WorkerRecord& worker = *roster[*next];
      if (chosen && route.workers.size() >= kListed) break;
      const bool is_it = &worker == placement.worker;
      list(worker, rank,
           is_it                        ? ""
           : chosen && placement.worker ? "ranks behind"
                                        : Excuse(record, worker));
      chosen = chosen || is_it;
    }
  } else if (placement.worker != nullptr) {
    list(*placement.worker, 0, "");
  }
  if (placement.worker == nullptr) {
    route.reason = roster.empty() ? "no worker is up" : NoRoom().message;
    return route;
  }
  const WorkerRecord& worker = *placement.worker;
  route.worker_id = worker.id;
  route.waits = !worker.HasFreeSlot() || worker.line.size() > 0;
  route.cache_mode = placement.home ? protocol::CacheMode::kUse : protocol::CacheMode::kPassive;
  route.reason = placement.reason;
  if (route.waits && waiting >= options.max_waiting) {
    route.worker_id.clear();
    route.waits = false;
    route.reason = NoRoom().message;
  }
  return route;
}

}  // namespace eider::schedule
