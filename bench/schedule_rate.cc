// How many tasks one core schedules in a second, and what a million waiting tasks take of memory:
// google-benchmark. A task is its submission, its claim, its start and its end.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <cstdint>
#include <deque>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <variant>

#include "schedule/scheduler.h"

namespace {

namespace schedule = eider::schedule;

constexpr int kSlots = 8;
constexpr int kClients = 100;

// A fleet whose slots are all taken and whose lines hold something, forever.
class BusyFleet {
 public:
  BusyFleet(int workers, int waiting) : scheduler_(Options()) {
    for (int worker = 0; worker < workers; ++worker) {
      Handle(schedule::WorkerUp{.worker_id = "worker-" + std::to_string(worker), .slots = kSlots});
    }
    // Without a key, which is quicker, those that only fill the slots.
    for (int task = 0; task < workers * kSlots; ++task) Submit(/*with_key=*/false);
    for (int task = 0; task < waiting; ++task) Submit(/*with_key=*/true);
  }

  void Submit(bool with_key = true) {
    schedule::Task task{.id = "task-" + std::to_string(++submitted_),
                        .client = "client-" + std::to_string(submitted_ % kClients),
                        .relayed = true};
    if (with_key) task.key = "s3://bucket/table/part-" + std::to_string(random_());
    Handle(schedule::Submitted{std::move(task)});
  }

  // Ends one of those that run.
  void FinishOne() {
    const size_t at = random_() % running_.size();
    std::swap(running_[at], running_.front());
    const auto attempt = std::move(running_.front());
    running_.pop_front();
    Handle(schedule::Arrived{attempt});
    Handle(schedule::Finished{.attempt = attempt, .run_us = 50'000, .bytes = 1'000'000});
    ++now_ms_;
  }

  int waiting() const { return scheduler_.waiting(); }
  int64_t running() const { return std::ssize(running_); }

 private:
  static schedule::Options Options() {
    schedule::Options options;
    options.max_waiting = std::numeric_limits<int>::max();
    options.line_length_per_slot = 1'000'000;
    options.max_wait_ms = 1'000'000'000'000;
    return options;
  }

  void Handle(const schedule::Event& event) {
    for (const schedule::Action& action : scheduler_.Handle(event, now_ms_)) {
      const auto* claim = std::get_if<schedule::Claim>(&action);
      if (claim == nullptr) continue;
      started_.push_back(claim->attempt);
    }
    while (!started_.empty()) {
      const auto attempt = std::move(started_.front());
      started_.pop_front();
      running_.push_back(attempt);
      Handle(schedule::Started{attempt});
    }
  }

  schedule::Scheduler scheduler_;
  std::mt19937_64 random_{1};
  int64_t now_ms_ = 0;
  int64_t submitted_ = 0;
  std::deque<eider::protocol::AttemptId> started_;  // and not yet told so
  std::deque<eider::protocol::AttemptId> running_;
};

double PeakMegabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// Each iteration is one task: submitted, and another one claimed, started and finished.
void ScheduleTasks(benchmark::State& state) {
  const int workers = static_cast<int>(state.range(0));
  BusyFleet fleet(workers, /*waiting=*/2 * workers);
  for (auto _ : state) {
    fleet.Submit();
    fleet.FinishOne();
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["waiting"] = fleet.waiting();
}
// Each so often, for a fleet of 10,000 takes its time to come up.
BENCHMARK(ScheduleTasks)->Arg(4)->Arg(100)->Iterations(200'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(ScheduleTasks)
    ->Arg(1'000)
    ->Arg(10'000)
    ->Iterations(20'000)
    ->Unit(benchmark::kMicrosecond);

// Run it by itself (--benchmark_filter=Million): the peak is the whole process's.
void MillionWaitingTasks(benchmark::State& state) {
  for (auto _ : state) {
    BusyFleet fleet(10'000, 1'000'000);
    state.counters["waiting"] = fleet.waiting();
    state.counters["peak_MB"] = PeakMegabytes();
    for (int n = 0; n < 10'000; ++n) fleet.FinishOne();
  }
}
BENCHMARK(MillionWaitingTasks)->Iterations(1)->Unit(benchmark::kSecond);

}  // namespace

BENCHMARK_MAIN();
