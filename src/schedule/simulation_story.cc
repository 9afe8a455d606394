// What happens in a story.
#include "schedule/simulation_story.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace eider::schedule {
namespace {

constexpr int kSteps = 150;
constexpr int kWorkers = 4;

}  // namespace

Story::Story(uint64_t seed, bool tells, Seen* seen) : random_(seed), tells_(tells), seen_(*seen) {
  constexpr double kFactors[] = {1, 1.25, 2, std::numeric_limits<double>::infinity()};
  options_ = {.max_waiting = 5 + Below(20),
              .line_length_per_slot = 1 + Below(5),
              .max_wait_ms = 200 + Below(2'000),
              .claim_expiry_ms = 20 + Below(200),
              .max_retries = Below(4),
              .poison_deaths = 1 + Below(3),
              .load_factor = kFactors[Below(4)],
              .replicas = 1 + Below(2),
              .patience = Chance(50),
              .stealing = Chance(80),
              .steal_after_ms = Below(30),
              .max_steal_after_ms = 30 + Below(100),
              .max_known_keys = 1 + Below(10),
              .flap_falls = 2 + Below(3),
              .flap_window_ms = 100 + Below(500),
              .flap_hold_ms = 20 + Below(300)};
  options_.hot_replicas = options_.replicas + Below(3);
  // No task is held for longer than it may wait beside a free slot.
  options_.incident_ms = Chance(50) ? 0 : Below(static_cast<int>(options_.max_steal_after_ms));
  scheduler_ = std::make_unique<Scheduler>(options_);
}

std::string Story::Run() {
  for (int step = 0; step < kSteps && failure_.empty(); ++step) Step();
  Settle();
  return failure_.empty() ? "" : failure_ + "\n" + story_;
}

void Story::Pass(int64_t ms) {
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

void Story::Step() {
  Pass(Below(10) < 8 ? Below(8) : Below(300));
  if (!asked_.empty() && Chance(50)) return AnswerMove();
  const int what = Below(100);
  if (what < 35) return Submit();
  if (what < 75 && !given_.empty()) return Progress();
  if (what < 78 && !tasks_.empty()) return Cancel();
  if (what < 83 && !tasks_.empty()) return SendArrived(Pick(tasks_)->first);
  const std::string id = "w" + std::to_string(Below(kWorkers));
  ModelWorker& worker = workers_[id];
  if (!worker.up || what < 86) return Up(id);
  if (what < 91) return Down(id);
  if (what < 95) return Drain(id);
  if (what < 99) return Ready(id, Chance(50));
}

void Story::Submit() {
  Task task{.id = "t" + std::to_string(++submitted_),
            .client = "c" + std::to_string(Below(3)),
            .priority = Below(3),
            .write = Chance(10),
            .relayed = Chance(60)};
  if (Chance(80)) task.key = Key(Chance(50) ? 0 : Below(kKeys));
  if (Chance(30)) task.deadline_ms = now_ms_ + Below(500);
  Send(Tick{}, "tick");
  const Route route = scheduler_->Explain(task);
  CheckRoute(task, route);
  const auto refusal = scheduler_->RefusesAll(task.client, task.priority);
  const std::map<std::string, int> lines = Lines();
  tasks_[task.id].task = task;
  tasks_[task.id].waiting_since_ms = now_ms_;
  claims_.clear();
  rejects_.clear();
  Send(Submitted{task}, "submit " + task.id + (task.key ? " key " + *task.key : ""));
  CheckOutcome(task, route, lines);
  CheckRefusal(task, refusal);
}

void Story::Progress() {
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
  const auto task = tasks_.find(id.task_id);
  const bool current = task != tasks_.end() && IsCurrent(task->second, id);
  if (what == 1) {
    given_.erase(at);
    if (current) {
      task->second.waiting = true;
      task->second.orphaned = false;
    }
    worker.paused_until_ms = now_ms_ + 100;
    return Send(Refused{id}, "refused " + name);
  }
  const bool expired = now_ms_ > given.claimed_ms + options_.claim_expiry_ms;
  if (what == 3 && !current && !expired) {
    // Given up before its ticket came: its worker, or its relay, says that it has ended.
    given_.erase(at);
    worker.paused_until_ms = 0;
    return SendFinished(id);
  }
  if (what == 4 && current && task->second.task.relayed) {
    // It fails at once, which its relay hears before its start.
    given_.erase(at);
    worker.paused_until_ms = 0;
    SendFinished(id);
    return Send(Started{id}, "started " + name);
  }
  // The client never comes, or finds that its ticket has expired.
  if (what == 2 || expired) return (void)given_.erase(at);
  worker.running.insert(name);
  if (current) task->second.orphaned = false;
  Send(Started{id}, "started " + name);
}

bool Story::IsCurrent(const ModelTask& task, const protocol::AttemptId& id) const {
  return !task.waiting && task.attempt == id.attempt;
}

void Story::SendFinished(const protocol::AttemptId& id) {
  const auto task = tasks_.find(id.task_id);
  if (task != tasks_.end() && IsCurrent(task->second, id)) {
    if (!task->second.task.relayed || task->second.arrived) {
      tasks_.erase(task);
    } else {
      task->second.finished = true;
      ++seen_["finished, not arrived"];
    }
  }
  // Where most are quick, the others are late.
  const int run_us = Below(Chance(90) ? 2'000 : 200'000);
  Send(Finished{.attempt = id, .run_us = run_us, .bytes = Below(1'000'000)},
       "finished " + Name(id));
}

void Story::SendArrived(const std::string& task_id) {
  const auto at = tasks_.find(task_id);
  if (at == tasks_.end() || !at->second.task.relayed || at->second.waiting) return;
  const protocol::AttemptId id{task_id, at->second.attempt};
  const bool runs = workers_[at->second.worker].running.contains(Name(id));
  if (!runs && !at->second.finished) return;
  at->second.arrived = true;
  if (at->second.finished) tasks_.erase(at);
  Send(Arrived{id}, "arrived " + Name(id));
}

void Story::LoseAttempt(const protocol::AttemptId& id, bool delivered) {
  const auto at = tasks_.find(id.task_id);
  if (at != tasks_.end() && IsCurrent(at->second, id)) {
    ModelTask& task = at->second;
    task.failed_on.insert(task.worker);
    task.waiting = true;
    task.waiting_since_ms = now_ms_;
    task.orphaned = task.finished = false;
    task.write_may_have_run = task.task.write;
    must_reject_ = delivered || task.task.write ? id.task_id : "";
  }
  Send(Lost{id, delivered}, "lost " + Name(id) + (delivered ? " delivered" : ""));
  if (!must_reject_.empty() && tasks_.contains(must_reject_)) Fail("retried " + must_reject_);
  must_reject_.clear();
}

void Story::Cancel() {
  const std::string id = Pick(tasks_)->first;
  Send(Cancelled{id, "not wanted"}, "cancel " + id);
  if (tasks_.contains(id)) Fail("cancelled in vain: " + id);
}

void Story::Up(const std::string& id) {
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
  worker.ready = true;
  worker.slots = event.slots;
  worker.paused_until_ms = 0;
  Send(event, told);
}

void Story::NoteFall(const ModelWorker& worker) {
  for (const std::string& name : worker.running) {
    const auto task = tasks_.find(name.substr(0, name.find('/')));
    if (task != tasks_.end()) task->second.fell = true;
  }
}

void Story::ForgetRuns(ModelWorker& worker) {
  NoteFall(worker);
  for (auto& [id, task] : tasks_) {
    if (!task.waiting && worker.running.contains(Name({id, task.attempt}))) task.orphaned = true;
  }
  for (const std::string& name : worker.running) given_.erase(name);
  worker.running.clear();
}

void Story::Down(const std::string& id) {
  ModelWorker& worker = workers_[id];
  NoteFall(worker);
  worker.up = false;
  for (auto& [task_id, task] : tasks_) {
    if (!task.waiting && task.worker == id) task.orphaned = true;
  }
  std::vector<protocol::AttemptId> broken;
  for (const auto& [task_id, task] : tasks_) {
    if (task.finished && task.worker == id && Chance(80)) {
      broken.push_back({task_id, task.attempt});
    }
  }
  for (const auto& [name, given] : given_) {
    if (given.worker_id == id && Chance(80)) broken.push_back(given.id);
  }
  if (Chance(60)) ForgetRuns(worker);
  Send(WorkerDown{id}, "down " + id);
  for (const protocol::AttemptId& attempt : broken) LoseAttempt(attempt, Chance(20));
}

void Story::Drain(const std::string& id) {
  workers_[id].draining = true;
  Send(WorkerDraining{id}, "draining " + id);
}

void Story::Ready(const std::string& id, bool ready) {
  workers_[id].ready = ready;
  Send(WorkerReady{id, ready, ready ? "" : "S3 does not answer"},
       (ready ? "ready " : "not ready ") + id);
}

void Story::Send(const Event& event, const std::string& told) {
  Tell(told);
  if (!failure_.empty()) return;
  std::set<std::string> claimed_workers;
  for (const Action& action : scheduler_->Handle(event, now_ms_)) {
    if (const auto* claim = std::get_if<Claim>(&action)) {
      claimed_workers.insert(claim->worker_id);
      OnClaim(*claim);
    } else if (const auto* reject = std::get_if<Reject>(&action)) {
      Tell("  reject " + reject->task_id + ": " + reject->error.message);
      ++seen_["reject " + std::string(base::ErrorName(reject->error.code))];
      rejects_.push_back(*reject);
      if (tasks_.erase(reject->task_id) == 0) Fail("ended twice: " + reject->task_id);
    } else if (const auto* stop = std::get_if<Stop>(&action)) {
      OnStop(*stop);
    } else {
      OnMove(std::get<Move>(action));
    }
  }
  Check(claimed_workers);
}

void Story::OnMove(const Move& move) {
  Tell("  move " + Name(move.attempt) + " from " + move.worker_id);
  ++seen_["move"];
  const auto at = tasks_.find(move.attempt.task_id);
  if (at == tasks_.end() || !IsCurrent(at->second, move.attempt)) return Fail("moved in vain");
  if (at->second.task.write) Fail("moved a write");
  if (!at->second.task.relayed || at->second.arrived) Fail("moved what has its result");
  if (at->second.asked) Fail("asked to move twice");
  at->second.asked = true;
  asked_.push_back(move.attempt);
}

void Story::AnswerMove() {
  const protocol::AttemptId id = asked_.back();
  asked_.pop_back();
  const auto at = tasks_.find(id.task_id);
  const bool current = at != tasks_.end() && IsCurrent(at->second, id);
  if (current && at->second.finished && Chance(20)) {
    // The relay loses the result before it hears that it is to be given up, and answers later.
    asked_.push_back(id);
    ++seen_["lost when finished"];
    return LoseAttempt(id, /*delivered=*/false);
  }
  if (Chance(30) || (current && at->second.arrived)) return Send(Kept{id}, "kept " + Name(id));
  if (current) {
    at->second.waiting = true;
    at->second.orphaned = at->second.finished = false;
    at->second.waiting_since_ms = now_ms_;
    at->second.failed_on.insert(at->second.worker);
  }
  Send(Moved{id}, "moved " + Name(id));
}

void Story::OnClaim(const Claim& claim) {
  Tell("  claim " + Name(claim.attempt) + " on " + claim.worker_id + ": " + claim.reason);
  claims_.push_back(claim);
  ++seen_["claim " + claim.reason.substr(0, claim.reason.find(' '))];
  if (claim.reason.ends_with("late tasks") || claim.reason.ends_with("is slow"))
    ++seen_["run away from a slow home"];
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
  task.orphaned = task.arrived = task.finished = false;
  task.attempt = claim.attempt.attempt;
  task.worker = claim.worker_id;
  given_[Name(claim.attempt)] = {claim.attempt, claim.worker_id, now_ms_};
}

void Story::OnStop(const Stop& stop) {
  Tell("  stop " + Name(stop.attempt) + " on " + stop.worker_id + ": " + stop.reason);
  const auto task = tasks_.find(stop.attempt.task_id);
  if (task == tasks_.end() || !IsCurrent(task->second, stop.attempt)) return;
  stopped_current_.insert(stop.attempt.task_id);  // its Reject must follow
}

void Story::Settle() {
  while (!asked_.empty()) AnswerMove();
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
    for (int n = 1; n <= submitted_; ++n) SendArrived("t" + std::to_string(n));
    Pass(options_.max_wait_ms + 2 * options_.claim_expiry_ms);
    while (!asked_.empty()) AnswerMove();
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

}  // namespace eider::schedule
