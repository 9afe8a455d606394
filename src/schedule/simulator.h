// A fleet under virtual time: the real Scheduler among modelled workers, caches, clients and
// faults. It answers what a policy is worth: hit ratio, waits, balance, bytes from S3.
//
// The model. Tasks arrive at random (Poisson), each of one key; keys have sizes (log-normal) and a
// popularity (Zipf). A task takes a worker's slot for its computing (exponential) and its reading:
// its key's bytes from the worker's cache, or after a round trip from S3, each task at
// s3_bytes_per_ms of its own. A worker's cache holds cache_bytes, least recently used first out;
// what runs in mode `use` is inserted, `passive` reads what is there, `off` neither. Two tasks that
// want the same key at once on one worker share its read. Caches start warm, as the policy would
// leave them; the first tasks are not measured.
//
// Not modelled: links and disks that tasks share, memory, clients that give up. Admission's bounds
// are lifted: every task waits as long as it takes.
//
// The same options give the same report. Not thread-safe; a Simulate() knows of no other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schedule/scheduler.h"

namespace eider::schedule {

struct Fleet {
  int workers = 4;
  int slots = 4;
  double cache_share = 0.5;  // what all caches hold together, of all keys' bytes
  double s3_bytes_per_ms = 100e3;
  double local_bytes_per_ms = 1e6;
  double round_trip_ms = 30;
  double compute_ms = 50;     // mean
  double claim_delay_ms = 1;  // from a claim until the task has started
};

struct Load {
  int tasks = 20'000;
  double warm_up = 0.25;  // of the tasks, before the measuring starts
  int keys = 400;
  double zipf = 1.0;
  double median_bytes = 8e6;
  double sigma = 1.0;  // of the logarithm of a key's bytes
  // Of what the fleet could do if its caches were one cache that every worker reads.
  double utilisation = 0.7;
};

// What befalls workers; at random, on the average so often for each worker in an hour.
struct Faults {
  double crashes = 0;  // running tasks are lost at once; it comes back with its cache
  double freezes = 0;  // noticed after notice_ms, when its tasks are lost; it goes on later
  double drains = 0;   // it takes nothing new, ends what runs and restarts
  int64_t notice_ms = 3'000;
  int64_t away_ms = 20'000;  // mean
  bool Any() const { return crashes + freezes + drains > 0; }
};

enum class Policy {
  kRandom,              // any worker, whatever it has cached; no stealing
  kLeastLoaded,         // the least loaded, whatever it has cached; stealing
  kRendezvous,          // the key's owner, however long its line
  kBoundedLoad,         // the first in rank that is not too loaded
  kWithoutStealing,     // all but stealing
  kWithoutHotReplicas,  // all but a second home for hot keys
  kWithoutPatience,     // all but waiting for a home that will soon have a slot
  kAll,
};
inline constexpr Policy kPolicies[] = {Policy::kRandom,          Policy::kLeastLoaded,
                                       Policy::kRendezvous,      Policy::kBoundedLoad,
                                       Policy::kWithoutStealing, Policy::kWithoutHotReplicas,
                                       Policy::kWithoutPatience, Policy::kAll};
std::string_view PolicyName(Policy policy);

struct SimulatorOptions {
  Fleet fleet;
  Load load;
  Faults faults;
  Policy policy = Policy::kAll;
  // Beside what the policy says: load_factor, replicas, hot_replicas, patience, stealing and the
  // admission's bounds are the policy's.
  Options scheduler;
  int hot_replicas = Options().hot_replicas;  // where the policy has them
  // Owners() of the fleet and its keys, for many runs of the same; none: found here.
  std::shared_ptr<const std::vector<int>> owners;
  uint64_t seed = 1;
};

// Of the measured tasks, those that arrived after the warm-up, but where it says otherwise.
struct Report {
  int64_t tasks = 0;
  int64_t finished = 0;
  int64_t failed = 0;   // rejected
  int64_t retried = 0;  // attempts after the first
  double hit_ratio = 0;
  double byte_hit_ratio = 0;
  double s3_bytes = 0;
  double wait_p50_ms = 0;  // from arrival to the claim that it finished by
  double wait_p99_ms = 0;
  double time_p50_ms = 0;  // from arrival to its end
  double time_p99_ms = 0;
  double throughput = 0;  // that ended in a second while tasks still arrived
  double offered = 0;     // that arrived in a second
  double busy = 0;        // of all slots, while tasks still arrived
  double busy_max = 0;    // the busiest worker's, over the mean
  double line_p99 = 0;    // of all lines at moments evenly apart
  int line_max = 0;
  int64_t homes = 0;  // claims
  int64_t overflows = 0;
  int64_t steals = 0;
  double duplicates = 0;  // bytes cached beyond their first copy, of all cached bytes; at the end
  int64_t faults = 0;     // that fired
  double virtual_s = 0;
  int64_t events = 0;  // that the scheduler handled
};

// Each key's owner. O(keys x workers).
std::vector<int> Owners(const Fleet& fleet, int keys);

Report Simulate(const SimulatorOptions& options);

}  // namespace eider::schedule
