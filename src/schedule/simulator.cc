#include "schedule/simulator.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <optional>
#include <queue>
#include <utility>

#include "schedule/simulator_load.h"

namespace eider::schedule {
namespace {

constexpr int64_t kUsPerMs = 1'000;
constexpr double kUsPerHour = 3'600e6;
constexpr int kLineSamples = 200;
constexpr int64_t kDrainTimeoutUs = 30'000'000;

int64_t Us(double ms) { return static_cast<int64_t>(ms * kUsPerMs); }
int Number(const std::string& id) { return std::stoi(id.substr(1)); }

Options OptionsOf(const SimulatorOptions& simulated) {
  Options options = simulated.scheduler;
  options.max_waiting = std::numeric_limits<int>::max() / 2;
  options.line_length_per_slot = 1'000'000;
  options.max_wait_ms = 1'000'000'000'000;
  options.replicas = 1;
  const Policy policy = simulated.policy;
  const bool all_of_it = policy >= Policy::kWithoutStealing;
  const bool bounded = all_of_it || policy == Policy::kBoundedLoad;
  options.load_factor = bounded ? options.load_factor : std::numeric_limits<double>::infinity();
  options.patience = all_of_it && policy != Policy::kWithoutPatience;
  options.stealing = policy == Policy::kLeastLoaded || policy == Policy::kWithoutHotReplicas ||
                     policy == Policy::kWithoutPatience || policy == Policy::kAll;
  const bool hot = all_of_it && policy != Policy::kWithoutHotReplicas;
  options.hot_replicas = hot ? simulated.hot_replicas : 1;
  return options;
}

double Percentile(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<int64_t>(share * (values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

enum class Kind { kArrival, kStart, kFinish, kSample, kFault, kNotice, kLeave, kReturn };

// What is to come. `who` is a task or a worker, `version` is what it must still be then.
struct Coming {
  int64_t at_us = 0;
  int64_t order = 0;
  Kind kind = Kind::kArrival;
  int who = 0;
  int attempt = 0;
  int version = 0;
  bool operator>(const Coming& other) const {
    return at_us != other.at_us ? at_us > other.at_us : order > other.order;
  }
};

struct SimulatedTask {
  int key = 0;
  int64_t arrived_us = 0;
  int64_t claimed_us = 0;  // for the last time
  int attempt = 0;
  int worker = 0;  // of that attempt
  protocol::CacheMode mode = protocol::CacheMode::kUse;
  bool ended = false;
};

// An attempt on its worker, claimed or running.
struct OnWorker {
  int task = 0;
  int attempt = 0;
  bool started = false;
  int64_t started_us = 0;
  int64_t finish_us = 0;
};

struct SimulatedWorker {
  enum class Health { kWell, kFrozen, kMissed, kDraining, kAway };
  Health health = Health::kWell;
  int version = 0;  // counts its faults
  int64_t frozen_us = 0;
  int64_t busy_us = 0;  // its slots together, in the window
  std::vector<OnWorker> runs;
};
using Health = SimulatedWorker::Health;

class Simulation {
 public:
  explicit Simulation(const SimulatorOptions& options)
      : options_(options),
        random_(options.seed),
        keys_(options.load, random_),
        scheduler_(OptionsOf(options)),
        workers_(options.fleet.workers),
        tasks_(options.load.tasks) {
    const Fleet& fleet = options.fleet;
    if (options.policy <= Policy::kLeastLoaded) {
      caches_ = WarmAtRandom(fleet, keys_, random_);
    } else {
      caches_ =
          WarmByOwner(fleet, keys_, options.owners ? *options.owners : Owners(fleet, keys_.size()));
    }
    gap_ms_ =
        IdealServiceMs(fleet, keys_) / (fleet.workers * fleet.slots * options.load.utilisation);
    first_measured_ = static_cast<int>(options.load.tasks * options.load.warm_up);
    sample_every_ms_ = gap_ms_ * (options.load.tasks - first_measured_) / kLineSamples;
  }

  Report Run() {
    for (int worker = 0; worker < options_.fleet.workers; ++worker) {
      Send(WorkerUp{.worker_id = SimulatorWorkerId(worker), .slots = options_.fleet.slots});
      PlanFault(worker);
    }
    Plan(random_.Exponential(gap_ms_), {.kind = Kind::kArrival, .who = 0});
    while (ended_ < options_.load.tasks) Step();
    return Summary();
  }

 private:
  void Plan(double after_ms, Coming coming) { PlanAt(now_us_ + Us(after_ms), coming); }
  void PlanAt(int64_t at_us, Coming coming) {
    coming.at_us = at_us;
    coming.order = ++order_;
    coming_.push(coming);
  }

  void Step() {
    const std::optional<int64_t> timer_ms = scheduler_.NextTimerMs();
    // A Tick for each millisecond at the most, whatever is asked for.
    const int64_t tick_us =
        timer_ms ? std::max(*timer_ms, ticked_ms_ + 1) * kUsPerMs : coming_.top().at_us + 1;
    if (tick_us <= coming_.top().at_us) {
      now_us_ = std::max(now_us_, tick_us);
      ticked_ms_ = now_us_ / kUsPerMs;
      return Send(Tick{});
    }
    const Coming next = coming_.top();
    coming_.pop();
    now_us_ = next.at_us;
    Happen(next);
  }

  void Happen(const Coming& next) {
    switch (next.kind) {
      case Kind::kArrival:
        return Arrive(next.who);
      case Kind::kStart:
        return Start(next);
      case Kind::kFinish:
        return Finish(next);
      case Kind::kSample:
        return Sample();
      case Kind::kFault:
        return Fault(next.who);
      case Kind::kNotice:
      case Kind::kLeave:
        if (workers_[next.who].version == next.version) Miss(next.who);
        return;
      case Kind::kReturn:
        if (workers_[next.who].version == next.version) Return(next.who);
        return;
    }
  }

  void Send(Event event) {
    events_.push_back(std::move(event));
    if (events_.size() > 1) return;  // what an action leads to comes after it
    for (; !events_.empty(); events_.pop_front()) {
      ++report_.events;
      for (const Action& action : scheduler_.Handle(events_.front(), now_us_ / kUsPerMs)) {
        if (const auto* claim = std::get_if<Claim>(&action)) OnClaim(*claim);
        if (const auto* reject = std::get_if<Reject>(&action)) OnReject(*reject);
        if (const auto* stop = std::get_if<Stop>(&action)) OnStop(*stop);
        // Nothing is delivered before the end.
        if (const auto* move = std::get_if<Move>(&action)) Send(Moved{move->attempt});
      }
    }
  }

  void Arrive(int number) {
    SimulatedTask& task = tasks_[number];
    task.key = keys_.Pick(random_);
    task.arrived_us = now_us_;
    if (number == first_measured_) {
      window_from_us_ = now_us_;
      Sample();
    }
    const bool last = number + 1 == options_.load.tasks;
    if (last) {
      window_to_us_ = now_us_;
    } else {
      Plan(random_.Exponential(gap_ms_), {.kind = Kind::kArrival, .who = number + 1});
    }
    Task sent{.id = "t" + std::to_string(number),
              .client = "c" + std::to_string(number % 100),
              .relayed = true};
    if (options_.policy == Policy::kRandom) sent.key = sent.id;
    if (options_.policy > Policy::kLeastLoaded) sent.key = SimulatorKeys::Name(task.key);
    Send(Submitted{std::move(sent)});
  }

  bool Measured(int task) const { return task >= first_measured_; }

  void OnClaim(const Claim& claim) {
    const int number = Number(claim.attempt.task_id);
    SimulatedTask& task = tasks_[number];
    if (Measured(number)) {
      if (claim.reason.starts_with("overflow")) {
        ++report_.overflows;
      } else if (claim.reason.starts_with("stolen")) {
        ++report_.steals;
      } else {
        ++report_.homes;
      }
      if (claim.attempt.attempt > 1) ++report_.retried;
    }
    task.claimed_us = now_us_;
    task.attempt = claim.attempt.attempt;
    task.worker = Number(claim.worker_id);
    task.mode = claim.cache_mode;
    workers_[task.worker].runs.push_back({.task = number, .attempt = task.attempt});
    Plan(options_.fleet.claim_delay_ms,
         {.kind = Kind::kStart, .who = number, .attempt = task.attempt, .version = task.worker});
  }

  void OnReject(const Reject& reject) {
    const int number = Number(reject.task_id);
    if (Measured(number)) ++report_.failed;
    End(number);
  }

  void End(int number) {
    if (std::exchange(tasks_[number].ended, true)) return;
    ++ended_;
  }

  void OnStop(const Stop& stop) {
    SimulatedWorker& worker = workers_[Number(stop.worker_id)];
    if (worker.health == Health::kFrozen) return;  // it does not hear it
    if (TakeRun(worker, Number(stop.attempt.task_id), stop.attempt.attempt)) {
      Send(Finished{stop.attempt});
    }
  }

  static std::vector<OnWorker>::iterator FindRun(SimulatedWorker& worker, int task, int attempt) {
    return std::find_if(worker.runs.begin(), worker.runs.end(), [&](const auto& run) {
      return run.task == task && run.attempt == attempt;
    });
  }

  std::optional<OnWorker> TakeRun(SimulatedWorker& worker, int task, int attempt) {
    const auto at = FindRun(worker, task, attempt);
    if (at == worker.runs.end()) return std::nullopt;
    const OnWorker run = *at;
    worker.runs.erase(at);
    CountBusy(worker, run);
    return run;
  }

  void CountBusy(SimulatedWorker& worker, const OnWorker& run) {
    if (!run.started) return;
    const int64_t to_us = window_to_us_ > 0 ? std::min(now_us_, window_to_us_) : now_us_;
    const int64_t from_us = window_from_us_ > 0 ? std::max(run.started_us, window_from_us_) : to_us;
    worker.busy_us += std::max<int64_t>(0, to_us - from_us);
  }

  void Start(const Coming& next) {
    SimulatedWorker& worker = workers_[next.version];
    const auto at = FindRun(worker, next.who, next.attempt);
    if (at == worker.runs.end() || worker.health == Health::kFrozen) return;
    at->started = true;
    at->started_us = now_us_;
    at->finish_us = now_us_ + Us(random_.Exponential(options_.fleet.compute_ms)) +
                    Read(tasks_[next.who], caches_[next.version], Measured(next.who));
    PlanFinish(*at, next.version);
    Send(Started{{"t" + std::to_string(next.who), next.attempt}});
  }

  // How long the task reads, in microseconds.
  int64_t Read(const SimulatedTask& task, SimulatorCache& cache, bool measured) {
    const double bytes = keys_.bytes(task.key);
    const bool fills = task.mode == protocol::CacheMode::kUse;
    const int64_t ready_us = task.mode == protocol::CacheMode::kOff
                                 ? -1
                                 : cache.ReadyAt(task.key, /*touches=*/fills, -1);
    const bool hit = ready_us >= 0;
    const int64_t read_us = Us(ReadMs(options_.fleet, bytes, hit));
    if (!hit && fills) cache.Insert(task.key, bytes, now_us_ + read_us);
    if (measured) {
      ++reads_;
      read_bytes_ += bytes;
      hits_ += hit ? 1 : 0;
      report_.s3_bytes += hit ? 0 : bytes;
    }
    return std::max(read_us, ready_us - now_us_);
  }

  void PlanFinish(OnWorker& run, int worker) {
    PlanAt(run.finish_us,
           {.kind = Kind::kFinish, .who = run.task, .attempt = run.attempt, .version = worker});
  }

  void Finish(const Coming& next) {
    const int number = next.version;
    SimulatedWorker& worker = workers_[number];
    const auto at = FindRun(worker, next.who, next.attempt);
    // Frozen, or gone, or it was frozen and takes longer.
    if (at == worker.runs.end() || at->finish_us != now_us_) return;
    if (worker.health == Health::kFrozen || worker.health == Health::kMissed) return;
    const OnWorker run = *TakeRun(worker, next.who, next.attempt);
    SimulatedTask& task = tasks_[next.who];
    if (!task.ended && task.attempt == next.attempt) Succeed(next.who);
    Send(Arrived{{"t" + std::to_string(next.who), next.attempt}});
    Send(Finished{.attempt = {"t" + std::to_string(next.who), next.attempt},
                  .run_us = now_us_ - run.started_us,
                  .bytes = static_cast<int64_t>(keys_.bytes(task.key))});
    if (worker.health == Health::kDraining && worker.runs.empty()) Miss(number);
  }

  void Succeed(int number) {
    const SimulatedTask& task = tasks_[number];
    if (window_from_us_ > 0 && window_to_us_ == 0) ++throughput_;
    if (Measured(number)) {
      ++report_.finished;
      waits_ms_.push_back((task.claimed_us - task.arrived_us) / 1e3);
      times_ms_.push_back((now_us_ - task.arrived_us) / 1e3);
    }
    End(number);
  }

  void Sample() {
    if (window_to_us_ > 0) return;
    for (const WorkerView& view : scheduler_.workers()) lines_.push_back(view.waiting);
    Plan(sample_every_ms_, {.kind = Kind::kSample});
  }

  // Faults.
  void PlanFault(int worker) {
    const Faults& faults = options_.faults;
    if (!faults.Any()) return;
    const double mean_us = kUsPerHour / (faults.crashes + faults.freezes + faults.drains);
    Plan(random_.Exponential(mean_us) / kUsPerMs, {.kind = Kind::kFault, .who = worker});
  }

  void Fault(int number) {
    const Faults& faults = options_.faults;
    SimulatedWorker& worker = workers_[number];
    ++worker.version;
    ++report_.faults;
    const Coming back{.kind = Kind::kReturn, .who = number, .version = worker.version};
    double what = random_.Uniform() * (faults.crashes + faults.freezes + faults.drains);
    if ((what -= faults.crashes) < 0) return Miss(number);
    if ((what -= faults.freezes) < 0) {
      worker.health = Health::kFrozen;
      worker.frozen_us = now_us_;
      Coming notice = back;
      notice.kind = Kind::kNotice;
      Plan(static_cast<double>(faults.notice_ms), notice);
      return Plan(random_.Exponential(static_cast<double>(faults.away_ms)), back);
    }
    worker.health = Health::kDraining;
    Send(WorkerDraining{SimulatorWorkerId(number)});
    if (worker.runs.empty()) return Miss(number);
    Coming leave = back;
    leave.kind = Kind::kLeave;
    PlanAt(now_us_ + kDrainTimeoutUs, leave);
  }

  // The worker is seen to be down, and the streams of its tasks break.
  void Miss(int number) {
    SimulatedWorker& worker = workers_[number];
    const bool frozen = worker.health == Health::kFrozen;
    std::vector<OnWorker> runs = worker.runs;
    if (!frozen) {
      worker.runs.clear();
      for (const OnWorker& run : runs) CountBusy(worker, run);
      ++worker.version;
      Plan(random_.Exponential(static_cast<double>(options_.faults.away_ms)),
           {.kind = Kind::kReturn, .who = number, .version = worker.version});
    }
    worker.health = frozen ? Health::kMissed : Health::kAway;
    Send(WorkerDown{SimulatorWorkerId(number)});
    for (const OnWorker& run : runs) {
      Send(Lost{{"t" + std::to_string(run.task), run.attempt}});
    }
  }

  void Return(int number) {
    SimulatedWorker& worker = workers_[number];
    const bool missed = worker.health != Health::kFrozen;
    const bool thaws = worker.health == Health::kMissed || !missed;
    worker.health = Health::kWell;
    if (missed) {  // nobody comes any more for what was claimed
      std::erase_if(worker.runs, [](const auto& run) { return !run.started; });
    }
    WorkerUp up{.worker_id = SimulatorWorkerId(number), .slots = options_.fleet.slots};
    for (OnWorker& run : worker.runs) {
      if (run.started) {
        run.finish_us += thaws ? now_us_ - worker.frozen_us : 0;
        PlanFinish(run, number);
        up.running.push_back({"t" + std::to_string(run.task), run.attempt});
      } else {
        Plan(0, {.kind = Kind::kStart, .who = run.task, .attempt = run.attempt, .version = number});
      }
    }
    if (missed) Send(up);
    PlanFault(number);
  }

  Report Summary() {
    const double window_s = static_cast<double>(window_to_us_ - window_from_us_) / 1e6;
    const int tasks = options_.load.tasks - first_measured_;
    report_.tasks = tasks;
    report_.hit_ratio = reads_ > 0 ? static_cast<double>(hits_) / reads_ : 0;
    report_.byte_hit_ratio = read_bytes_ > 0 ? 1 - report_.s3_bytes / read_bytes_ : 0;
    report_.wait_p50_ms = Percentile(waits_ms_, 0.5);
    report_.wait_p99_ms = Percentile(waits_ms_, 0.99);
    report_.time_p50_ms = Percentile(times_ms_, 0.5);
    report_.time_p99_ms = Percentile(times_ms_, 0.99);
    report_.throughput = throughput_ / window_s;
    report_.offered = tasks / window_s;
    double busy = 0;
    double busiest = 0;
    for (const SimulatedWorker& worker : workers_) {
      busy += static_cast<double>(worker.busy_us);
      busiest = std::max(busiest, static_cast<double>(worker.busy_us));
    }
    report_.busy = busy / 1e6 / window_s / (options_.fleet.workers * options_.fleet.slots);
    report_.busy_max = busy > 0 ? busiest * options_.fleet.workers / busy : 0;
    report_.line_max =
        static_cast<int>(lines_.empty() ? 0 : *std::max_element(lines_.begin(), lines_.end()));
    report_.line_p99 = Percentile(lines_, 0.99);
    report_.duplicates = Duplicates(caches_, keys_);
    report_.virtual_s = static_cast<double>(now_us_) / 1e6;
    return report_;
  }

  const SimulatorOptions options_;
  SimulatorRandom random_;
  const SimulatorKeys keys_;
  Scheduler scheduler_;
  std::vector<SimulatedWorker> workers_;
  std::vector<SimulatorCache> caches_;  // of the workers
  std::vector<SimulatedTask> tasks_;
  std::priority_queue<Coming, std::vector<Coming>, std::greater<>> coming_;
  std::deque<Event> events_;  // being handled, and those that came of it
  double gap_ms_ = 0;         // between arrivals, mean
  double sample_every_ms_ = 0;
  int first_measured_ = 0;
  int64_t order_ = 0;
  int64_t now_us_ = 0;
  int64_t ticked_ms_ = -1;
  int ended_ = 0;

  // While measured tasks arrive; 0: not yet.
  int64_t window_from_us_ = 0;
  int64_t window_to_us_ = 0;
  int64_t reads_ = 0;
  int64_t hits_ = 0;
  double read_bytes_ = 0;
  double throughput_ = 0;
  std::vector<double> waits_ms_;
  std::vector<double> times_ms_;
  std::vector<double> lines_;
  Report report_;
};

}  // namespace

std::string_view PolicyName(Policy policy) {
  switch (policy) {
    case Policy::kRandom:
      return "random";
    case Policy::kLeastLoaded:
      return "least loaded";
    case Policy::kRendezvous:
      return "rendezvous";
    case Policy::kBoundedLoad:
      return "bounded load";
    case Policy::kWithoutStealing:
      return "all but stealing";
    case Policy::kWithoutHotReplicas:
      return "all but hot replicas";
    case Policy::kWithoutPatience:
      return "all but patience";
    case Policy::kAll:
      return "all of it";
  }
  return "";
}

Report Simulate(const SimulatorOptions& options) { return Simulation(options).Run(); }

}  // namespace eider::schedule
