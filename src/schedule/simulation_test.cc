// Random stories under virtual time: workers that die, restart, flap, refuse and drain, clients
// that never come or cancel, streams that break. After each event the invariants of scheduler.h are
// checked against a model that knows only what went in and what came out. A seed that fails prints
// its story.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "schedule/scheduler.h"

namespace eider::schedule {
namespace {

constexpr int kSeeds = 2'000;
constexpr int kSteps = 150;
constexpr int kWorkers = 4;

std::string Name(const protocol::AttemptId& id) {
  return id.task_id + "/" + std::to_string(id.attempt);
}

class Simulation {
 public:
  explicit Simulation(uint64_t seed) : random_(seed) {
    options_ = {.max_waiting = 5 + Below(20),
                .line_length_per_slot = 1 + Below(5),
                .max_wait_ms = 200 + Below(2'000),
                .claim_expiry_ms = 20 + Below(200),
                .max_retries = Below(4),
                .poison_deaths = 1 + Below(3)};
    scheduler_ = std::make_unique<Scheduler>(options_);
  }

  // Empty when all went well, else what did not, and the story.
  std::string Run() {
    for (int step = 0; step < kSteps && failure_.empty(); ++step) Step();
    Settle();
    return failure_.empty() ? "" : failure_ + "\n" + story_;
  }

 private:
  struct ModelTask {
    Task task;
    bool waiting = true;
    bool orphaned = false;  // current attempt's worker went down
    int attempt = 0;
    std::string worker;  // of the current attempt
    std::set<std::string> failed_on;
    bool write_may_have_run = false;
  };
  // What a worker really does.
  struct ModelWorker {
    bool up = false;  // attached
    bool draining = false;
    int slots = 0;
    int64_t paused_until_ms = 0;
    std::set<std::string> running;  // names of attempts
  };

  // An attempt that was claimed and may still come to, or run on, its worker.
  struct Given {
    protocol::AttemptId id;
    std::string worker_id;
    int64_t claimed_ms = 0;
  };

  int Below(int limit) { return static_cast<int>(random_() % static_cast<uint64_t>(limit)); }
  bool Chance(int percent) { return Below(100) < percent; }
  template <typename Map>
  auto Pick(Map& map) {
    return std::next(map.begin(), Below(static_cast<int>(map.size())));
  }

  void Fail(const std::string& what) {
    if (failure_.empty()) failure_ = "at " + std::to_string(now_ms_) + ": " + what;
  }
  void Tell(const std::string& what) {
    if (failure_.empty()) story_ += std::to_string(now_ms_) + " " + what + "\n";
  }

  // Lets time pass, with the ticks that were asked for.
  void Pass(int64_t ms) {
    const int64_t until_ms = now_ms_ + ms;
    for (int ticks = 0;; ++ticks) {
      const auto timer_ms = scheduler_->NextTimerMs();
      if (!timer_ms || *timer_ms > until_ms || !failure_.empty()) break;
      if (ticks > 10'000) return Fail("timers do not end");
      now_ms_ = std::max(now_ms_, *timer_ms);
      Send(Tick{}, "tick");
    }
    now_ms_ = until_ms;
  }

  void Step() {
    Pass(Below(10) < 8 ? Below(8) : Below(300));
    const int what = Below(100);
    if (what < 35) return Submit();
    if (what < 75 && !given_.empty()) return Progress();
    if (what < 80 && !tasks_.empty()) return Cancel();
    const std::string id = "w" + std::to_string(Below(kWorkers));
    ModelWorker& worker = workers_[id];
    if (!worker.up || what < 84) return Up(id);
    if (what < 94) return Down(id);
    if (what < 97) return Drain(id);
  }

  void Submit() {
    Task task{.id = "t" + std::to_string(++submitted_),
              .client = "c" + std::to_string(Below(3)),
              .priority = Below(3),
              .write = Chance(10)};
    if (Chance(80)) task.key = "s3://b/" + std::to_string(Below(6));
    if (Chance(30)) task.deadline_ms = now_ms_ + Below(500);
    tasks_[task.id].task = task;
    Send(Submitted{task}, "submit " + task.id + (task.key ? " key " + *task.key : ""));
  }

  // Something happens to an attempt that was given to a worker and has not ended there.
  void Progress() {
    const auto at = Pick(given_);
    const auto [name, given] = *at;
    const protocol::AttemptId& id = given.id;
    ModelWorker& worker = workers_[given.worker_id];
    const bool runs = worker.running.contains(name);
    const int what = Below(10);
    if (what == 0) {  // the relay's stream breaks; the worker may go on
      const bool delivered = runs && Chance(30);
      if (!runs && Chance(50)) given_.erase(at);
      return LoseAttempt(id, delivered);
    }
    if (!worker.up) return;
    if (runs) {
      if (what < 4) return;
      worker.running.erase(name);
      given_.erase(at);
      worker.paused_until_ms = 0;
      return SendFinished(id);
    }
    if (what == 1) {
      given_.erase(at);
      const auto task = tasks_.find(id.task_id);
      if (task != tasks_.end() && IsCurrent(task->second, id)) {
        task->second.waiting = true;
        task->second.orphaned = false;
      }
      worker.paused_until_ms = now_ms_ + 100;
      return Send(Refused{id}, "refused " + name);
    }
    // The client never comes, or finds that its ticket has expired.
    if (what == 2 || now_ms_ > given.claimed_ms + options_.claim_expiry_ms) {
      return (void)given_.erase(at);
    }
    worker.running.insert(name);
    const auto task = tasks_.find(id.task_id);
    if (task != tasks_.end() && IsCurrent(task->second, id)) task->second.orphaned = false;
    Send(Started{id}, "started " + name);
  }

  bool IsCurrent(const ModelTask& task, const protocol::AttemptId& id) const {
    return !task.waiting && task.attempt == id.attempt;
  }

  void SendFinished(const protocol::AttemptId& id) {
    const auto task = tasks_.find(id.task_id);
    if (task != tasks_.end() && IsCurrent(task->second, id)) tasks_.erase(task);
    Send(Finished{id}, "finished " + Name(id));
  }

  void LoseAttempt(const protocol::AttemptId& id, bool delivered) {
    const auto at = tasks_.find(id.task_id);
    if (at != tasks_.end() && IsCurrent(at->second, id)) {
      ModelTask& task = at->second;
      task.failed_on.insert(task.worker);
      task.waiting = true;
      task.orphaned = false;
      task.write_may_have_run = task.task.write;
      must_reject_ = delivered || task.task.write ? id.task_id : "";
    }
    Send(Lost{id, delivered}, "lost " + Name(id) + (delivered ? " delivered" : ""));
    if (!must_reject_.empty() && tasks_.contains(must_reject_)) Fail("retried " + must_reject_);
    must_reject_.clear();
  }

  void Cancel() {
    const std::string id = Pick(tasks_)->first;
    Send(Cancelled{id, "not wanted"}, "cancel " + id);
    if (tasks_.contains(id)) Fail("cancelled in vain: " + id);
  }

  // The worker attaches, after a restart or with what it still runs.
  void Up(const std::string& id) {
    ModelWorker& worker = workers_[id];
    if (Chance(50)) ForgetRuns(worker);
    WorkerUp event{.worker_id = id, .slots = Chance(95) ? 1 + Below(3) : 0};
    std::string told = "worker " + id + " slots " + std::to_string(event.slots) + " running";
    for (const std::string& name : worker.running) {
      const auto slash = name.find('/');
      event.running.push_back({name.substr(0, slash), std::stoi(name.substr(slash + 1))});
      told += " " + name;
    }
    for (auto& [task_id, task] : tasks_) {
      const bool runs = worker.running.contains(Name({task_id, task.attempt}));
      if (!task.waiting && task.worker == id && runs) task.orphaned = false;
    }
    worker.up = true;
    worker.draining = false;
    worker.slots = event.slots;
    worker.paused_until_ms = 0;
    Send(event, told);
  }

  void ForgetRuns(ModelWorker& worker) {
    for (auto& [id, task] : tasks_) {
      if (!task.waiting && worker.running.contains(Name({id, task.attempt}))) task.orphaned = true;
    }
    for (const std::string& name : worker.running) given_.erase(name);
    worker.running.clear();
  }

  void Down(const std::string& id) {
    ModelWorker& worker = workers_[id];
    worker.up = false;
    for (auto& [task_id, task] : tasks_) {
      if (!task.waiting && task.worker == id) task.orphaned = true;
    }
    std::vector<protocol::AttemptId> broken;
    for (const auto& [name, given] : given_) {
      if (given.worker_id == id && Chance(80)) broken.push_back(given.id);
    }
    if (Chance(60)) ForgetRuns(worker);
    Send(WorkerDown{id}, "down " + id);
    for (const protocol::AttemptId& attempt : broken) LoseAttempt(attempt, Chance(20));
  }

  void Drain(const std::string& id) {
    workers_[id].draining = true;
    Send(WorkerDraining{id}, "draining " + id);
  }

  void Send(const Event& event, const std::string& told) {
    Tell(told);
    if (!failure_.empty()) return;
    std::set<std::string> claimed_workers;
    for (const Action& action : scheduler_->Handle(event, now_ms_)) {
      if (const auto* claim = std::get_if<Claim>(&action)) {
        claimed_workers.insert(claim->worker_id);
        OnClaim(*claim);
      } else if (const auto* reject = std::get_if<Reject>(&action)) {
        Tell("  reject " + reject->task_id + ": " + reject->error.message);
        if (tasks_.erase(reject->task_id) == 0) Fail("ended twice: " + reject->task_id);
      } else {
        OnStop(std::get<Stop>(action));
      }
    }
    Check(claimed_workers);
  }

  void OnClaim(const Claim& claim) {
    Tell("  claim " + Name(claim.attempt) + " on " + claim.worker_id + ": " + claim.reason);
    const auto at = tasks_.find(claim.attempt.task_id);
    if (at == tasks_.end()) return Fail("claimed after its end");
    ModelTask& task = at->second;
    if (!task.waiting) return Fail("claimed twice");
    if (task.write_may_have_run) return Fail("a write was tried again");
    if (claim.attempt.attempt != task.attempt + 1) return Fail("attempts out of order");
    const ModelWorker& worker = workers_[claim.worker_id];
    if (!worker.up || worker.draining) Fail("claimed for a worker that takes nothing");
    if (task.task.deadline_ms > 0 && now_ms_ >= task.task.deadline_ms) Fail("claimed too late");
    task.waiting = false;
    task.orphaned = false;
    task.attempt = claim.attempt.attempt;
    task.worker = claim.worker_id;
    given_[Name(claim.attempt)] = {claim.attempt, claim.worker_id, now_ms_};
  }

  void OnStop(const Stop& stop) {
    Tell("  stop " + Name(stop.attempt) + " on " + stop.worker_id + ": " + stop.reason);
    const auto task = tasks_.find(stop.attempt.task_id);
    if (task == tasks_.end() || !IsCurrent(task->second, stop.attempt)) return;
    stopped_current_.insert(stop.attempt.task_id);  // its Reject must follow
  }

  bool Takes(const ModelWorker& worker) const {
    return worker.up && !worker.draining && worker.slots > 0;
  }

  bool Avoids(const ModelTask& task, const std::string& worker_id) const {
    if (!task.failed_on.contains(worker_id)) return false;
    return std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
      return Takes(entry.second) && !task.failed_on.contains(entry.first);
    });
  }

  void Check(const std::set<std::string>& claimed_workers) {
    for (const std::string& id : stopped_current_) {
      if (tasks_.contains(id)) Fail("stopped but not ended: " + id);
    }
    stopped_current_.clear();
    CheckWaiting();
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

  // A task is in one place: the counts agree with the model's.
  void CheckWaiting() {
    int waiting = 0;
    for (const auto& [id, task] : tasks_) waiting += task.waiting ? 1 : 0;
    if (waiting != scheduler_->waiting())
      Fail("waiting " + std::to_string(waiting) + " in the model");
    int in_lines = 0;
    for (const WorkerView& view : scheduler_->workers()) in_lines += view.waiting;
    const bool any = std::any_of(workers_.begin(), workers_.end(),
                                 [this](const auto& entry) { return Takes(entry.second); });
    if (in_lines != (any ? waiting : 0)) Fail("lines hold " + std::to_string(in_lines));
  }

  void CheckWorker(const WorkerView& view) {
    const ModelWorker& worker = workers_[view.worker_id];
    if (!worker.up || view.slots != worker.slots || view.draining != worker.draining) {
      Fail("another view of " + view.worker_id);
    }
    // What it really runs and what was given to it just now holds its slots.
    int holds = static_cast<int>(worker.running.size());
    for (const auto& [id, task] : tasks_) {
      const std::string name = Name({id, task.attempt});
      if (task.waiting || task.orphaned || task.worker != view.worker_id) continue;
      holds += worker.running.contains(name) ? 0 : 1;
    }
    if (view.occupied < holds) Fail("a slot of " + view.worker_id + " was given twice");
    if (!Takes(worker) || view.occupied >= view.slots || worker.paused_until_ms > now_ms_) return;
    for (const auto& [id, task] : tasks_) {
      if (task.waiting && !Avoids(task, view.worker_id)) {
        Fail(id + " waits and " + view.worker_id + " is free");
      }
    }
  }

  // All that runs ends, time passes: everything is over and nothing is left.
  void Settle() {
    do {
      for (auto& [id, worker] : workers_) {
        const std::set<std::string> running = std::exchange(worker.running, {});
        for (const std::string& name : running) {
          const auto given = given_.find(name);
          if (given == given_.end()) continue;
          const protocol::AttemptId attempt = given->second.id;
          given_.erase(given);
          worker.paused_until_ms = 0;
          if (worker.up) SendFinished(attempt);
        }
      }
      Pass(options_.max_wait_ms + 2 * options_.claim_expiry_ms);
    } while (failure_.empty() && !tasks_.empty());
    for (const WorkerView& view : scheduler_->workers()) {
      if (view.occupied != 0) Fail("a slot of " + view.worker_id + " never became free");
    }
    for (auto& [id, worker] : workers_) {
      worker.running.clear();
      if (worker.up) Down(id);
    }
    Pass(4 * options_.claim_expiry_ms + 1'000);
    if (scheduler_->waiting() != 0) Fail("something still waits");
    if (scheduler_->NextTimerMs()) Fail("a timer is left");
    if (!scheduler_->workers().empty()) Fail("a worker is left");
  }

  std::mt19937_64 random_;
  Options options_;
  std::unique_ptr<Scheduler> scheduler_;
  int64_t now_ms_ = 0;
  int submitted_ = 0;
  std::map<std::string, ModelTask> tasks_;  // that have not ended
  std::map<std::string, ModelWorker> workers_;
  std::map<std::string, Given> given_;  // by name
  std::set<std::string> stopped_current_;
  std::string must_reject_;
  std::string failure_;
  std::string story_;
};

TEST(SimulationTest, InvariantsHold) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const std::string failure = Simulation(seed).Run();
    ASSERT_TRUE(failure.empty()) << "seed " << seed << ": " << failure;
  }
}

}  // namespace
}  // namespace eider::schedule
