// What must hold after each event of a story.
#include <algorithm>
#include <cmath>

#include "schedule/rendezvous.h"
#include "schedule/simulation_story.h"

namespace eider::schedule {
namespace {

constexpr double kRounding = 1e-6;

}  // namespace

std::map<std::string, int> Story::Lines() const {
  std::map<std::string, int> lines;
  for (const WorkerView& view : scheduler_->workers()) lines[view.worker_id] = view.waiting;
  return lines;
}

void Story::CheckRoute(const Task& task, const Route& route) {
  if (route.worker_id.empty()) return;
  double total_ms = route.cost_ms;
  int slots = 0;
  for (const WorkerView& view : eligible_) {
    total_ms += view.load_ms;
    slots += view.slots;
  }
  bool any_within = false;
  const Route::Worker* chosen = nullptr;
  for (const Route::Worker& worker : route.workers) {
    // In whole tasks.
    const double bound_ms = options_.load_factor * total_ms * worker.slots / slots;
    const bool right = worker.bound_ms >= bound_ms - kRounding &&
                       worker.bound_ms <= bound_ms + route.cost_ms + kRounding;
    if (!right) {
      Fail("the bound of " + worker.worker_id + " is " + std::to_string(worker.bound_ms) +
           " and should be " + std::to_string(bound_ms));
    }
    const bool has_room = worker.waiting < worker.slots * options_.line_length_per_slot;
    any_within |= has_room && worker.load_ms + route.cost_ms <= worker.bound_ms - kRounding;
    if (worker.worker_id == route.worker_id) chosen = &worker;
  }
  if (chosen == nullptr) return Fail("explained without " + route.worker_id);
  const bool within = chosen->load_ms + route.cost_ms <= chosen->bound_ms + kRounding;
  const bool free = chosen->occupied < chosen->slots && chosen->waiting == 0;
  if (task.key && !within && any_within && !(chosen->home && (free || options_.patience))) {
    Fail(chosen->worker_id + " is chosen beyond its load bound of " +
         std::to_string(chosen->bound_ms) + " ms, with " + std::to_string(chosen->load_ms));
  }
  if (task.key) ++seen_[within ? "within the bound" : "beyond the bound"];
}

void Story::CheckOutcome(const Task& task, const Route& route, std::map<std::string, int> before) {
  const std::string& id = task.id;
  const bool overdue = task.deadline_ms > 0 && task.deadline_ms <= now_ms_;
  const auto claim = std::find_if(claims_.begin(), claims_.end(),
                                  [&id](const Claim& made) { return made.attempt.task_id == id; });
  // By a slot that idles, at once: it would have waited too long.
  const bool stolen = options_.stealing && route.waits && claim != claims_.end() &&
                      claim->worker_id != route.worker_id;
  if (stolen) ++seen_["stolen at once"];
  if (claim != claims_.end() && !stolen) {
    if (route.waits || claim->worker_id != route.worker_id || claim->reason != route.reason ||
        claim->cache_mode != route.cache_mode) {
      Fail("claimed otherwise than explained: " + route.worker_id + ": " + route.reason);
    }
  } else if (!tasks_.contains(id)) {
    // Deadlines and what is poisoned are not explained.
    if (!route.worker_id.empty() && !overdue) Fail("rejected otherwise than explained");
  } else if (!route.worker_id.empty()) {
    if (!route.waits) Fail("explained a claim that was none");
    const int joined_by = stolen ? 0 : 1;
    const bool joined = Lines()[route.worker_id] == before[route.worker_id] + joined_by;
    if (!joined) Fail("joined another line than explained: " + route.worker_id);
    ++seen_["joined a line"];
  }
  if (route.hot) ++seen_["hot key"];
}

void Story::CheckRefusal(const Task& task, const std::optional<base::ErrorInfo>& refusal) {
  if (!refusal) return;
  if (refusal->code != base::ErrorCode::kOverloaded) Fail("refused unseen as another error");
  if (task.deadline_ms > 0 && task.deadline_ms <= now_ms_) return;
  const bool alone = claims_.empty() && rejects_.size() == 1 && rejects_[0].task_id == task.id;
  if (!alone) return Fail("was not refused, as it was told unseen: " + task.id);
  const base::ErrorInfo& error = rejects_[0].error;
  if (error.code != refusal->code || error.message != refusal->message ||
      error.retry_after_ms != refusal->retry_after_ms) {
    Fail("refused otherwise than unseen: " + error.message);
  }
  ++seen_["refused unseen"];
}

void Story::CheckOwners() {
  std::map<std::string, int> slots;
  std::vector<Candidate> candidates;
  for (const WorkerView& view : eligible_) {
    slots[view.worker_id] = view.slots;
    candidates.push_back({view.worker_id, static_cast<double>(view.slots)});
  }
  const std::map<std::string, int> slots_before = std::exchange(owner_slots_, slots);
  if (slots == slots_before && !Chance(5)) return;
  const auto changed = [&](const std::string& id) {
    const auto is = slots.find(id);
    const auto was = slots_before.find(id);
    if (is == slots.end() || was == slots_before.end()) return true;
    return is->second != was->second;
  };
  for (int n = 0; n < kKeys; ++n) {
    const Route route = scheduler_->Explain({.id = "explained", .key = Key(n)});
    if (route.workers.empty() != candidates.empty()) return Fail("explained without workers");
    std::string& before = owners_[n];
    const std::string owner = candidates.empty() ? "" : route.workers.front().worker_id;
    if (!candidates.empty() && owner != Rank(Key(n), candidates).front()) {
      Fail("not the owner: " + owner);
    }
    const bool moved = !owner.empty() && !before.empty() && owner != before;
    if (moved && !changed(owner) && !changed(before)) {
      Fail("key " + Key(n) + " moved from " + before + " to " + owner +
           ", and neither has changed");
    }
    if (moved) ++seen_["moved a key"];
    before = owner;
  }
}

void Story::FindEligible() {
  eligible_.clear();
  std::vector<WorkerView> held_back;
  for (const WorkerView& view : scheduler_->workers()) {
    if (!Takes(workers_[view.worker_id])) continue;
    (view.held_back.empty() ? eligible_ : held_back).push_back(view);
  }
  if (!held_back.empty()) ++seen_[eligible_.empty() ? "only held back" : "held back"];
  if (eligible_.empty()) eligible_ = held_back;
}

bool Story::IsEligible(const std::string& worker_id) const {
  return std::any_of(eligible_.begin(), eligible_.end(),
                     [&](const WorkerView& view) { return view.worker_id == worker_id; });
}

bool Story::Takes(const ModelWorker& worker) const {
  return worker.up && !worker.draining && worker.slots > 0;
}

bool Story::Avoids(const ModelTask& task, const std::string& worker_id) const {
  if (!task.failed_on.contains(worker_id)) return false;
  return std::any_of(eligible_.begin(), eligible_.end(), [&](const WorkerView& view) {
    return !task.failed_on.contains(view.worker_id);
  });
}

void Story::Check(const std::set<std::string>& claimed_workers) {
  for (const std::string& id : stopped_current_) {
    if (tasks_.contains(id)) Fail("stopped but not ended: " + id);
  }
  stopped_current_.clear();
  FindEligible();
  CheckWaiting();
  CheckOwners();
  for (const std::string& id : claimed_workers) {
    if (!IsEligible(id)) Fail("claimed for a worker that is held back: " + id);
  }
  for (const WorkerView& view : scheduler_->workers()) {
    if (claimed_workers.contains(view.worker_id) && view.occupied > view.slots) {
      Fail("claimed beyond the slots of " + view.worker_id);
    }
    CheckWorker(view);
  }
  if (const auto timer_ms = scheduler_->NextTimerMs(); timer_ms && *timer_ms <= now_ms_) {
    Fail("what was due was not done");
  }
}

void Story::CheckWaiting() {
  int waiting = 0;
  for (const auto& [id, task] : tasks_) waiting += task.waiting ? 1 : 0;
  if (waiting != scheduler_->waiting())
    Fail("waiting " + std::to_string(waiting) + " in the model");
  int in_lines = 0;
  for (const WorkerView& view : scheduler_->workers()) in_lines += view.waiting;
  const int held = scheduler_->held();
  seen_["held"] += held;
  if (in_lines != (eligible_.empty() ? 0 : waiting - held)) {
    Fail("lines hold " + std::to_string(in_lines));
  }
}

void Story::CheckWorker(const WorkerView& view) {
  const ModelWorker& worker = workers_[view.worker_id];
  if (!worker.up || view.slots != worker.slots || view.draining != worker.draining) {
    Fail("another view of " + view.worker_id);
  }
  // What it really runs and what was given to it just now holds its slots.
  int holds = static_cast<int>(worker.running.size());
  for (const auto& [id, task] : tasks_) {
    const std::string name = Name({id, task.attempt});
    if (task.waiting || task.orphaned || task.finished || task.worker != view.worker_id) continue;
    holds += worker.running.contains(name) ? 0 : 1;
  }
  if (view.occupied < holds) Fail("a slot of " + view.worker_id + " was given twice");
  const auto arriving = std::count_if(tasks_.begin(), tasks_.end(), [&view](const auto& entry) {
    const ModelTask& task = entry.second;
    return task.finished && !task.orphaned && task.worker == view.worker_id;
  });
  if (view.arriving != arriving) Fail("other results on their way from " + view.worker_id);
  if (view.late > view.occupied + view.arriving) {
    Fail("more late tasks than tasks at " + view.worker_id);
  }
  if (!worker.ready && view.held_back.empty()) Fail("not held back: " + view.worker_id);
  if (!IsEligible(view.worker_id) && view.waiting > 0) Fail("waits for " + view.worker_id);
  const bool paused = worker.paused_until_ms > now_ms_;
  if (!IsEligible(view.worker_id) || paused || view.occupied >= view.slots) return;
  CheckIdle(view);
}

void Story::CheckIdle(const WorkerView& view) {
  if (view.waiting > 0) return Fail("a slot of " + view.worker_id + " idles beside its line");
  if (!options_.stealing) return;
  ++seen_["idle"];
  const bool holds = scheduler_->held() > 0;  // for a moment, but they may have waited before
  for (const auto& [id, task] : tasks_) {
    if (!task.waiting || Avoids(task, view.worker_id)) continue;
    if (now_ms_ - task.waiting_since_ms < options_.max_steal_after_ms) continue;
    if (!(holds && task.fell)) Fail(id + " waits and " + view.worker_id + " is free");
  }
}

}  // namespace eider::schedule
