// What the scheduler knows; private to this folder.
//
// Split by what changes it: attempts.cc (what is heard of attempts, and time), membership.cc
// (workers come, drain and go), placing.cc (which worker gets a task), lagging.cc (which worker is
// slow, and what leaves it), stealing.cc (which task a free slot gets), explain.cc (what is told of
// it), scheduler.cc (the rest).
//
// With W workers up and T tasks known, an event costs O(log T + log W), a pointer for each task
// that its worker runs or has sent off, and, for each task with a key that it places, the ranks
// that it looks at: O(W) each, few. A change of the workers costs O(W), and as much for each task
// of a line that is no more. Memory is O(T + W): what has ended is forgotten, an expired claim one
// claim_expiry_ms later.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "schedule/costs.h"
#include "schedule/line.h"
#include "schedule/poison.h"
#include "schedule/rendezvous.h"
#include "schedule/scheduler.h"
#include "schedule/timers.h"

namespace eider::schedule {

// What a worker that refused a task is left alone for, unless it finishes something before.
inline constexpr int64_t kRefusedPauseMs = 100;
// Bounds of the advice that comes with OVERLOADED.
inline constexpr int64_t kMinRetryAfterMs = 100;
inline constexpr int64_t kMaxRetryAfterMs = 30'000;
// Ranks behind its homes at which a task looks for a worker that does not lag, where a home does.
inline constexpr int kLooksPastLagging = 3;
// Attempts that must be late before their worker, which may be well, is held to be the cause.
inline constexpr int kMinLate = 2;
// Late attempts, and idle workers for each, that are looked at at most for one that may move.
inline constexpr int kMaxLateAsked = 64;
inline constexpr int kMaxIdleAsked = 8;
// One that has run for so many times what is late is rather heavy, and has come far: it stays.
inline constexpr int kTooLateToMove = 8;
// When to look whether an attempt is late, as long as nothing is known of costs.
inline constexpr int64_t kLateUnknownMs = 1'000;
// Lines that are asked at most whether one of their tasks would make room for a new one.
inline constexpr size_t kMaxCrowdedAsked = 128;
// How long a task runs, for that advice, as long as none has finished.
inline constexpr int64_t kUnknownRunMs = 1'000;

enum class Whereabouts {
  kNowhere,  // on its way, within one event only
  kWaiting,  // in TaskRecord::line
  kClaimed,  // by attempt number TaskRecord::attempt, the current one
  kHeld,     // its query is on trial: State::held
};

struct WorkerRecord;

// Where a task is to go, and why.
struct Placement {
  WorkerRecord* worker = nullptr;  // none: no worker is up, or all lines are full
  bool home = false;               // it may fill its cache
  std::optional<int> rank;         // as far as it is known
  std::string reason;
  // A key's homes, in rank order, as of State::roster_version.
  std::vector<WorkerRecord*> homes;
  uint64_t roster_version = 0;
};

struct TaskRecord {
  Task task;
  uint64_t sequence = 0;  // in the order of submission
  int64_t submitted_ms = 0;
  int64_t waiting_since_ms = 0;  // submitted, or lost the last time
  int64_t cost_us = 0;           // what it is expected to take, as of its last placement
  int attempt = 0;               // the number of its last attempt
  int retries = 0;               // attempts that came after a lost one
  Whereabouts where = Whereabouts::kNowhere;
  WorkerRecord* line = nullptr;        // whose line it waits in; nullptr: the unplaced line
  std::optional<int64_t> steal_at_ms;  // when it may be stolen, in State::steal_times until then
  Placement placement;                 // what brought it there
  Timer timer;
  std::set<std::string> failed_on;  // workers that it was lost on, or moved from
  enum class Move { kNotAsked, kAsked, kAnswered } move = Move::kNotAsked;
  std::string moves_from;  // the worker of the attempt that was asked to move
  std::string moved;       // "moved from w4 after 812 ms: ", for its next reason

  Waiting entry() {
    return {.task = this, .client = task.client, .priority = task.priority, .sequence = sequence};
  }
};

enum class AttemptState {
  kClaimed,   // holds a slot; its time runs out at claim_expiry_ms
  kRunning,   // holds a slot until it is finished or its worker goes down
  kArriving,  // finished, but nothing of the result has come; holds no slot. Always current
  kOrphaned,  // its worker went down and nobody said Lost yet; holds no slot. Always current
  kVoid,  // nobody's any more, holds no slot; remembered for claim_expiry_ms, to stop a late start
};

// An attempt is current while its task is claimed and has its number. Others hold their slot all
// the same: a worker is not free because nobody waits for what it does.
struct AttemptRecord {
  protocol::AttemptId id;
  std::string worker_id;
  AttemptState state = AttemptState::kClaimed;
  bool home = false;
  int64_t cost_us = 0;
  int64_t since_ms = 0;   // started, or claimed
  bool finished = false;  // its worker has said so
  bool arrived = false;   // something of its result has come, or its error
  int64_t run_us = 0;     // as its Finished says; 0: unknown
  int64_t bytes = 0;
  bool late = false;     // counted in WorkerRecord::late
  bool asked = false;    // late, and asked to move: counted in WorkerRecord::asked
  bool cleared = false;  // late or not, one that began after it has ended on time
  Timer timer;

  bool HoldsSlot() const {
    return state == AttemptState::kClaimed || state == AttemptState::kRunning;
  }
  // Whether its worker, or the way from there, may still hold it up.
  bool IsUnderWay() const {
    return state == AttemptState::kRunning || state == AttemptState::kArriving;
  }
};

struct AttemptHash {
  size_t operator()(const protocol::AttemptId& id) const {
    return std::hash<std::string>()(id.task_id) * 31 + static_cast<size_t>(id.attempt);
  }
};

// A worker that is up.
struct WorkerRecord {
  std::string id;
  uint64_t hash = 0;
  int slots = 0;
  bool draining = false;
  bool paused = false;                   // refused a task a moment ago
  std::string not_ready_why;             // empty: it is ready
  bool flapping = false;                 // until hold_timer
  bool eligible = false;                 // gets tasks; kept by State::Enlist
  std::vector<AttemptRecord*> attempts;  // those that hold its slots, the oldest first
  std::vector<AttemptRecord*> arriving;  // those that it has finished and that are not there yet
  Line line;
  int late = 0;            // of `attempts` and `arriving`
  int asked = 0;           // of `late`: their moves wait for an answer
  int64_t slow_ms = -1;    // when a task was moved off it, until one that began later ends on time
  int64_t running_us = 0;  // costs of `attempts`
  int64_t waiting_us = 0;  // costs of its line
  Timer pause_timer;
  Timer hold_timer;
  // As the indexes of State have it.
  std::optional<double> indexed_load;
  std::optional<double> indexed_wait;
  std::optional<double> indexed_idle;
  bool indexed_serving = false;
  bool indexed_crowded = false;

  // Could have a line, were no better worker there.
  bool Takes() const { return !draining && slots > 0; }
  bool HeldBack() const { return flapping || !not_ready_why.empty(); }
  bool HasFreeSlot() const { return eligible && !paused && Occupied() < slots; }
  int Occupied() const { return static_cast<int>(attempts.size()); }
  int64_t load_us() const { return running_us + waiting_us; }
  // `visit` is called with each attempt whose end is waited for.
  template <typename Visit>
  void ForEachAttempt(Visit visit) const {
    for (AttemptRecord* attempt : attempts) visit(*attempt);
    for (AttemptRecord* attempt : arriving) visit(*attempt);
  }
};

// How a task comes to be placed.
enum class Arrival {
  kNew,      // the limits on waiting hold
  kAgain,    // was accepted before: they do not
  kRefused,  // the same, and at the head of its line
};

// Workers by a figure, the least first; by id where it is equal.
struct ByFigure {
  bool operator()(const std::pair<double, WorkerRecord*>& left,
                  const std::pair<double, WorkerRecord*>& right) const {
    return left.first != right.first ? left.first < right.first
                                     : left.second->id < right.second->id;
  }
};
using WorkersByFigure = std::set<std::pair<double, WorkerRecord*>, ByFigure>;

struct Scheduler::State {
  explicit State(const Options& the_options);

  // scheduler.cc
  void On(const Submitted& event);
  void On(const Cancelled& event);
  void On(const Tick& event) {}
  // Ends a task, by a Reject when there is an error, wherever it is. Its current attempt, if any,
  // is abandoned.
  void End(TaskRecord& task, std::optional<base::ErrorInfo> error);
  // Why a task may not wait longer.
  std::optional<base::ErrorInfo> Overdue(const TaskRecord& task) const;
  base::ErrorInfo Overloaded(std::string message, int ahead, int slots) const;
  TaskRecord* FindTask(const std::string& task_id);
  std::optional<int64_t> NextMs() const;

  // attempts.cc
  void On(const Started& event);
  void On(const Finished& event);
  void On(const Arrived& event);
  void On(const Lost& event);
  void On(const Refused& event);
  // Does what is due at now_ms.
  void Expire();
  void ExpireAttempt(AttemptRecord& attempt);
  // Ends all tasks of the queries that are found poisoned.
  void PassVerdicts();
  void SetTrialTimer();
  // Places what was held and is on trial no more.
  void ReleaseHeld();
  AttemptRecord* Find(const protocol::AttemptId& id);
  // The task whose current attempt this is.
  TaskRecord* CurrentTask(const AttemptRecord& attempt);
  AttemptRecord& AddAttempt(const protocol::AttemptId& id, const std::string& worker_id);
  void TakeSlot(AttemptRecord& attempt, WorkerRecord& worker);
  // Takes an attempt off its worker, whose slot is free then; the caller sets its new state.
  void Release(AttemptRecord& attempt);
  void GiveSlotBack(AttemptRecord& attempt);
  // The worker has finished its part of it; what is late of it, is late still.
  void AwaitArrival(AttemptRecord& attempt);
  // The attempt has finished, and arrived where it is relayed: its task, if it is current, ends.
  void Complete(AttemptRecord& attempt);
  void Forget(AttemptRecord& attempt);
  // Gives its slot back and remembers it for a while.
  void Void(AttemptRecord& attempt);
  // Nobody waits for it any more: its worker is told, and it keeps its slot.
  void Abandon(AttemptRecord& attempt, const std::string& reason);

  // membership.cc
  void On(const WorkerUp& event);
  void On(const WorkerDown& event);
  void On(const WorkerDraining& event);
  void On(const WorkerReady& event);
  // Settles who gets tasks, after any change of that: workers that are held back only while no
  // other can. What waits where it no longer may, or nowhere, is placed again.
  void Enlist();
  // Returns the workers that are eligible now and were not, or the other way round.
  std::vector<WorkerRecord*> MakeRoster();
  // The worker fell, and these of its attempts with it.
  void Bereave(const WorkerRecord& worker, std::vector<AttemptRecord*> attempts);
  // The attempt went with its worker.
  void Orphan(AttemptRecord& attempt, bool death);
  // `worker` says that it runs this attempt.
  void Adopt(WorkerRecord& worker, const protocol::AttemptId& id);
  void NoteFall(const std::string& worker_id);
  bool IsFlapping(const std::string& worker_id) const;

  // placing.cc
  // Gives the task a slot, a place in a line or a Reject.
  void Place(TaskRecord& task, Arrival arrival);
  // Which worker the task should go to, whether it has a slot or not; none where no worker is up,
  // or, unless `past_full_lines`, where all lines are full.
  Placement Choose(const TaskRecord& task, bool past_full_lines) const;
  Placement ChooseInRank(const TaskRecord& task, bool past_full_lines) const;
  WorkerRecord* LeastLoaded(const TaskRecord& task, bool past_full_lines) const;
  int MostHomes() const;
  int HomesOf(const std::string& key) const;
  // What its load may be at most, with a task of this cost.
  double BoundUs(const WorkerRecord& worker, int64_t cost_us) const;
  bool IsWithinBound(const WorkerRecord& worker, int64_t cost_us) const;
  // Whether a home that has no slot now will have one sooner than running away costs.
  bool IsSoonFree(const TaskRecord& task, const WorkerRecord& home) const;
  // Whether any worker is within its bound; it may say so in vain.
  bool AnyWithinBound(const TaskRecord& task) const;
  bool LineIsFull(const WorkerRecord& worker) const;
  // Whether the task should keep off this worker, because it was lost there and others exist.
  bool Avoids(const TaskRecord& task, const WorkerRecord& worker) const;
  // Why a worker was passed over: "is full", "at 5.2x mean".
  std::string Excuse(const TaskRecord& task, const WorkerRecord& worker) const;
  // Where all room is taken: one of a client that has much of it goes, so that a flood of one
  // client does not keep the others out. False when there is none.
  bool MakeRoom(const TaskRecord& task);
  base::ErrorInfo NoRoom() const;
  // See Scheduler::RefusesAll. O(kMaxCrowdedAsked log n).
  std::optional<base::ErrorInfo> RefusesAll(const std::string& client, int priority) const;
  void GiveSlot(TaskRecord& task, WorkerRecord& worker, bool home, bool stolen,
                const std::string& reason);
  void JoinLine(TaskRecord& task, Arrival arrival);
  // Takes a waiting task out of its line.
  void LeaveLine(TaskRecord& task);
  // Keeps a task from all workers while its query is on trial, and takes it out of there.
  void Hold(TaskRecord& task);
  void LetGo(TaskRecord& task);
  // When it has waited long enough.
  int64_t PatienceEndsMs(const TaskRecord& task) const;
  void AddLoad(WorkerRecord& worker, int64_t running_us, int64_t waiting_us);
  // Brings the indexes up to date after any change of the worker.
  void Changed(WorkerRecord& worker);

  // lagging.cc
  // Sees to it that a running attempt is known to be late when it is.
  void WatchForLate(AttemptRecord& attempt);
  // It is late no more: it has ended, or nobody waits for it.
  void NotLate(AttemptRecord& attempt);
  // The task's attempt has ended, and its result is there: on time or not.
  void NoteEnd(const TaskRecord& task, const AttemptRecord& attempt);
  // Whether tasks do better elsewhere, though this worker has slots for them.
  bool Lags(const WorkerRecord& worker) const;
  // Asks for late attempts to be moved, one for each worker that idles, off workers that have
  // several or are slow already. So one stays at first: it may be that they are heavy.
  void MoveLate();
  bool MayMove(const AttemptRecord& attempt);
  // The least loaded worker that idles, has nothing late and is not slow; none: not found soon.
  WorkerRecord* WellIdle(const TaskRecord& task) const;
  void On(const Moved& event);
  void On(const Kept& event);
  // The task that this attempt was asked to move, where that waits for its answer.
  TaskRecord* AskedTask(const protocol::AttemptId& id);
  void NoteAnswer(TaskRecord& task);

  // stealing.cc
  // Gives free slots to what waits.
  void Dispatch();
  void TakeFromOwnLine(WorkerRecord& worker);
  // One idle slot takes one task out of another's line. False when none may.
  bool Steal();
  WorkerRecord* Thief(TaskRecord& task);
  void LetStealWhatIsDue();
  // How long until the worker has a slot for what is behind all of its line, as far as is known.
  int64_t ExpectedWaitUs(const WorkerRecord& worker) const;
  // The task's homes, ranked anew where the workers have changed.
  const std::vector<WorkerRecord*>& Homes(TaskRecord& task);

  // explain.cc
  Route Explain(const Task& task) const;

  Timer NewTimer(TimerKind kind, void* record) {
    return {.kind = kind, .number = next_number++, .record = record};
  }

  const Options options;
  int64_t now_ms = 0;
  std::vector<Action> actions;          // of the event in hand
  uint64_t next_number = 1;             // of tasks and timers
  int64_t mean_run_ms = kUnknownRunMs;  // moving average over finished attempts
  Costs costs;

  std::unordered_map<std::string, TaskRecord> tasks;
  std::unordered_map<protocol::AttemptId, AttemptRecord, AttemptHash> attempts;
  std::map<std::string, WorkerRecord> workers;
  Line unplaced;
  int waiting = 0;                       // in all lines, unplaced and held
  std::map<uint64_t, TaskRecord*> held;  // by sequence: their queries are on trial
  Timers timers;
  PoisonMemory poison;
  Timer trial_timer;
  // When each worker's stream broke, as long as that counts as flapping.
  std::map<std::string, std::deque<int64_t>> falls;

  // The eligible workers, in the order of their ids; made anew by Enlist().
  std::vector<Member> members;
  std::vector<WorkerRecord*> roster;
  bool uniform = true;  // they all have as many slots
  int64_t total_slots = 0;
  int64_t total_load_us = 0;  // of the roster's workers
  uint64_t roster_version = 0;
  mutable std::vector<double> scores;  // Ranking's

  // Indexes of the roster, kept by Changed().
  WorkersByFigure by_load;  // load for each slot; those whose line is not full
  WorkersByFigure by_wait;  // -(waiting cost for each slot); those that may be stolen from
  WorkersByFigure idle;     // load for each slot; those with a free slot and an empty line
  std::vector<WorkerRecord*> serving;         // free, with tasks in their own line
  std::unordered_set<WorkerRecord*> crowded;  // whose line may have to make room for a new task
  // Late attempts that may move, the youngest first: by (since, timer's number).
  std::map<std::pair<int64_t, uint64_t>, AttemptRecord*, std::greater<>> movable;
  int moves_asked = 0;  // that wait for their answer
  // Tasks that wait and may not be stolen yet: by (time, sequence).
  std::map<std::pair<int64_t, uint64_t>, TaskRecord*> steal_times;
};

// What deaths are held against: the task's query, or the task alone where that is unknown.
std::string SuspectOf(const TaskRecord& task);
// An error of the code's own retryability.
base::ErrorInfo ErrorFor(base::ErrorCode code, std::string message);
// WORKER_LOST; for a write, which may have taken place, one that is not to be retried.
base::ErrorInfo LostError(const TaskRecord& task, const std::string& message);

}  // namespace eider::schedule
