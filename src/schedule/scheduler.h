// Where a task runs and when: a state machine without clock, socket, lock or randomness of its own.
//
// Events go in with the time at which they happened, actions come out; the caller carries them out
// and comes back with a Tick at NextTimerMs(). The same events give the same actions.
//
// Invariants, after every Handle():
//   1. a task is in exactly one place: in one worker's line, in the unplaced line (no worker is
//      up), held (two workers fell under its query a moment ago), or claimed by one current
//      attempt;
//   2. a worker never has more occupied slots than `slots`, but for attempts that it reported
//   itself;
//   3. no slot is free while a task waits in its own worker's line, or, as long as the slot's own
//      line is empty, in another's that may be stolen: one that has waited for what it costs to run
//      away from its cache, or that was expected to wait longer than that when it joined the line
//      (a task keeps off workers that it was lost on while others are up; a worker that refused one
//      is left alone for a moment);
//   4. each submitted task ends once: by Finished, and Arrived where it is relayed, or by one
//   Reject;
//   5. a task goes to a home of its key that has a free slot and does not lag behind others that
//      have one, or will soon have one, else to the first in rank whose load stays within its
//      bound, else to the least loaded.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "protocol/query.h"
#include "protocol/ticket.h"

namespace eider::schedule {

struct Options {
  // Tasks waiting in all lines together. Past it, and past full lines, a new task is rejected; or,
  // where another client has more waiting in its line than its own, that one's newest.
  int max_waiting = 10'000;
  int line_length_per_slot = 8;     // a line holds at most this many for each of its worker's slots
  int64_t max_wait_ms = 300'000;    // a task that waited longer is rejected
  int64_t claim_expiry_ms = 5'000;  // a claim that did not start by then gives its slot back
  int max_retries = 2;              // further attempts after a lost worker
  int poison_deaths = 2;            // workers that died under a task before it is POISONED
  bool stolen_cache = true;         // a stolen task may read its thief's cache; else it is past it
  int64_t poison_memory_ms = 600'000;  // how long its query, and those deaths, are remembered
  int max_poison_memories = 1'000;     // queries remembered so; past it the oldest goes
  // Workers that fall within this of each other fell together: where one of them did not run the
  // query, it is not blamed for the others.
  int64_t incident_ms = 2'000;

  // A worker's load is at most this many times its share of all load, or it is passed over for the
  // next in rank; infinity: no bound.
  double load_factor = 1.25;
  int replicas = 1;       // a key's homes: its first workers in rank
  int hot_replicas = 64;  // the most, of a key whose tasks keep running away from its homes
  // A home that is expected to have a slot sooner than it costs to run away from its cache keeps
  // the task, whatever its load.
  bool patience = true;
  bool stealing = true;         // idle workers take what waits for others
  int64_t steal_after_ms = 10;  // a task waits so long before it may be stolen, until measured
  int64_t max_steal_after_ms = 1'000;
  int max_known_keys = 100'000;  // keys whose cost is remembered; past it the least recent goes
  // A worker whose stream broke so often within the window flaps: when it is back it gets tasks
  // only where no other can, until it has held for so long.
  int flap_falls = 3;
  int64_t flap_window_ms = 60'000;
  int64_t flap_hold_ms = 10'000;
};

struct Task {
  std::string id;
  std::optional<std::string> key;  // what affinity is computed on; none: the least loaded worker
  std::string client;              // lines are round robin over these, FIFO within each
  int priority = 0;                // higher first
  bool write = false;              // never retried once started
  bool relayed = false;            // its result comes to the coordinator, which says Arrived
  int64_t deadline_ms = 0;         // absolute, on the caller's clock
  // The same for tasks that do the same, whoever sends them: what POISONED is remembered by. Empty:
  // nothing is remembered.
  std::string fingerprint;
};

// Events.
struct Submitted {
  Task task;
};
struct Started {  // the worker admitted it
  protocol::AttemptId attempt;
};
struct Finished {  // the worker ended it, well or not: its slot is free
  protocol::AttemptId attempt;
  int64_t run_us = 0;  // what costs are learned from; 0: unknown
  int64_t bytes = 0;   // that it asked of its files
};
// The first of a relayed task's result is there, or its error: it was not held up on its way.
struct Arrived {
  protocol::AttemptId attempt;
};
// Its stream broke: retried when nothing was delivered and it does not write, also where the worker
// had finished. Its slot stays taken until Finished, WorkerDown, or the claim's expiry when it
// never started.
struct Lost {
  protocol::AttemptId attempt;
  bool delivered = false;
};
struct Refused {  // the worker had no slot for it: back to the head of its line
  protocol::AttemptId attempt;
};
// What became of a Move: the attempt was given up before anything was delivered, and the task runs
// elsewhere; or it was not, because something was.
struct Moved {
  protocol::AttemptId attempt;
};
struct Kept {
  protocol::AttemptId attempt;
};
struct Cancelled {  // by the client, or for it: leaves its line, or is cancelled where it runs
  std::string task_id;
  std::string reason;
  base::ErrorCode code = base::ErrorCode::kCancelled;
};
struct WorkerUp {  // attached (again); `running` is what it says it runs
  std::string worker_id;
  int slots = 0;
  std::vector<protocol::AttemptId> running;
};
// What ran there waits for its Lost or Finished, or for the worker to come back with it; after
// claim_expiry_ms it is rejected with WORKER_LOST.
struct WorkerDown {
  std::string worker_id;
};
struct WorkerDraining {  // takes no new tasks; what runs goes on
  std::string worker_id;
};
// Whether a worker that is up can read what queries read. One that cannot gets tasks only where no
// other can. A worker is ready until it is said not to be.
struct WorkerReady {
  std::string worker_id;
  bool ready = true;
  std::string why;  // it is not
};
struct Tick {};

using Event = std::variant<Submitted, Started, Finished, Arrived, Lost, Refused, Moved, Kept,
                           Cancelled, WorkerUp, WorkerDown, WorkerDraining, WorkerReady, Tick>;

// Actions.
struct Claim {  // give the task to the worker: make a ticket
  protocol::AttemptId attempt;
  std::string worker_id;
  protocol::CacheMode cache_mode = protocol::CacheMode::kUse;
  std::string
      reason;  // "home rank 0", "overflow rank 1: owner w2 is full", "stolen from w2 after 31 ms"
  int64_t queue_ms = 0;  // since it was submitted
};
struct Reject {  // the task is over
  std::string task_id;
  base::ErrorInfo error;
};
struct Stop {  // tell the worker to cancel the attempt; nobody waits for it any more
  protocol::AttemptId attempt;
  std::string worker_id;
  std::string reason;
};
// Its worker, or the way from there, is slow and another idles: give the relayed attempt up, where
// nothing of it was delivered. It is answered with Moved or Kept, or by what else befalls the
// attempt.
struct Move {
  protocol::AttemptId attempt;
  std::string worker_id;
};
using Action = std::variant<Claim, Reject, Stop, Move>;

// For the status page.
struct WorkerView {
  std::string worker_id;
  int slots = 0;
  int occupied = 0;
  int waiting = 0;  // in its line
  bool draining = false;
  std::string held_back;  // why it gets tasks only where no other can; empty: it is not
  int arriving = 0;       // finished, and nothing of the result has come: they hold no slot
  int late = 0;           // of its tasks and those, that take far longer than elsewhere
  bool slow = false;      // one was moved off it: it gets one at a time until it keeps up again
  double load_ms = 0;     // what runs and waits there will take, as far as is known
};

// For metrics.
struct Figures {
  int64_t hot_keys = 0;
  int64_t steal_after_ms = 0;  // of a key that nothing is known of
};

// Where a task would go now, and why: what Submitted would decide, without deciding it.
struct Route {
  struct Worker {
    std::string worker_id;
    int rank = 0;
    bool home = false;
    int slots = 0;
    int occupied = 0;
    int waiting = 0;
    double load_ms = 0;
    double bound_ms = 0;      // what its load may be at most, with this task
    std::string passed_over;  // why it is not the one; empty for the one
  };
  std::optional<std::string> key;
  double cost_ms = 0;  // what the task is expected to take; 1 while nothing is known
  bool hot = false;    // its key has earned another home
  int64_t steal_after_ms = 0;
  std::vector<Worker> workers;  // in rank order, as far as they were looked at, and a few more
  std::string worker_id;        // the choice; empty: none is up, or it would be rejected
  bool waits = false;           // it would join that worker's line
  protocol::CacheMode cache_mode = protocol::CacheMode::kUse;
  std::string reason;
};

// Not thread-safe: the caller holds its lock around each call.
class Scheduler {
 public:
  explicit Scheduler(Options options);
  ~Scheduler();

  std::vector<Action> Handle(const Event& event, int64_t now_ms);
  // When to come back with a Tick at the latest; none when nothing waits for time to pass.
  std::optional<int64_t> NextTimerMs() const;

  // Whether the task was submitted and has not ended. A Finished or Lost of an older attempt than
  // the current one does not end its task.
  bool Has(const std::string& task_id) const;
  int waiting() const;
  // Of these, the held.
  int held() const;
  std::vector<WorkerView> workers() const;
  Figures figures() const;
  // Changes nothing. As of the last Handle().
  Route Explain(const Task& task) const;
  // What a new task of this client would be rejected with as OVERLOADED whatever else it is, so
  // that its SQL need not be read; none where that is not certain, which may be said in vain. One
  // that is overdue or poisoned would be rejected as that. As of the last Handle().
  std::optional<base::ErrorInfo> RefusesAll(const std::string& client, int priority) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace eider::schedule
