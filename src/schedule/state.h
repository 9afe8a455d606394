// What the scheduler knows; private to this folder.
//
// Split by what changes it: attempts.cc (what is heard of attempts, and time), membership.cc
// (workers come, drain and go), placing.cc (which worker gets a task), scheduler.cc (the rest).
//
// With W workers up and T tasks known, an event costs O(log T) plus, for each task that it places,
// one ranking of the workers, O(W log W) for keyed and keyless tasks alike. A worker that goes down
// costs that for each task of its line. Memory is O(T + W): what has ended is forgotten, an expired
// claim one claim_expiry_ms later.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "schedule/line.h"
#include "schedule/poison.h"
#include "schedule/scheduler.h"
#include "schedule/timers.h"

namespace eider::schedule {

// What a worker that refused a task is left alone for, unless it finishes something before.
inline constexpr int64_t kRefusedPauseMs = 100;
// Bounds of the advice that comes with OVERLOADED.
inline constexpr int64_t kMinRetryAfterMs = 100;
inline constexpr int64_t kMaxRetryAfterMs = 30'000;
// How long a task runs, as long as none has finished.
inline constexpr int64_t kUnknownRunMs = 1'000;

enum class Whereabouts {
  kNowhere,  // on its way, within one event only
  kWaiting,  // in TaskRecord::line
  kClaimed,  // by attempt number TaskRecord::attempt, the current one
};

struct TaskRecord {
  Task task;
  uint64_t sequence = 0;  // in the order of submission
  int64_t submitted_ms = 0;
  int64_t waiting_since_ms = 0;  // submitted, or lost the last time
  int attempt = 0;               // the number of its last attempt
  int retries = 0;               // attempts that came after a lost one
  Whereabouts where = Whereabouts::kNowhere;
  std::string line;                   // whose line it waits in; empty: the unplaced line
  std::set<std::string> failed_on;    // workers that it was lost on
  std::map<int, std::string> deaths;  // attempt -> the worker that died under it
};

enum class AttemptState {
  kClaimed,   // holds a slot; its time runs out at claim_expiry_ms
  kRunning,   // holds a slot until it is finished or its worker goes down
  kOrphaned,  // its worker went down and nobody said Lost yet; holds no slot. Always current
  kVoid,  // nobody's any more, holds no slot; remembered for claim_expiry_ms, to stop a late start
};

// An attempt is current while its task is claimed and has its number. Others hold their slot all
// the same: a worker is not free because nobody waits for what it does.
struct AttemptRecord {
  protocol::AttemptId id;
  std::string worker_id;
  AttemptState state = AttemptState::kClaimed;
  int64_t started_ms = 0;

  bool HoldsSlot() const {
    return state == AttemptState::kClaimed || state == AttemptState::kRunning;
  }
};

struct AttemptOrder {
  bool operator()(const protocol::AttemptId& a, const protocol::AttemptId& b) const {
    return a.task_id != b.task_id ? a.task_id < b.task_id : a.attempt < b.attempt;
  }
};
using AttemptIds = std::set<protocol::AttemptId, AttemptOrder>;

// A worker that is up.
struct WorkerRecord {
  std::string id;
  int slots = 0;
  bool draining = false;
  bool paused = false;  // refused a task a moment ago
  AttemptIds attempts;  // those that hold its slots
  Line line;

  // May have a line.
  bool Eligible() const { return !draining && slots > 0; }
  bool HasFreeSlot() const { return Eligible() && !paused && Occupied() < slots; }
  int Occupied() const { return static_cast<int>(attempts.size()); }
};

// How a task comes to be placed.
enum class Arrival {
  kNew,      // the limits on waiting hold
  kAgain,    // was accepted before: they do not
  kRefused,  // the same, and at the head of its line
};

struct Scheduler::State {
  explicit State(const Options& the_options)
      : options(the_options),
        poison(the_options.poison_deaths, the_options.poison_memory_ms,
               the_options.max_poison_memories) {}

  // scheduler.cc
  void On(const Submitted& event);
  void On(const Cancelled& event);
  void On(const Tick& event) {}
  // Ends a task, by a Reject when there is an error, wherever it is. Its current attempt, if any,
  // is abandoned.
  void End(const std::string& task_id, std::optional<base::ErrorInfo> error);
  // Why a task may not wait longer.
  std::optional<base::ErrorInfo> Overdue(const TaskRecord& task) const;
  base::ErrorInfo Overloaded(std::string message, int ahead, int slots) const;

  // attempts.cc
  void On(const Started& event);
  void On(const Finished& event);
  void On(const Lost& event);
  void On(const Refused& event);
  // Does what is due at now_ms.
  void Expire();
  void ExpireAttempt(const protocol::AttemptId& id);
  AttemptRecord* Find(const protocol::AttemptId& id);
  bool IsCurrent(const AttemptRecord& attempt) const;
  // Gives an attempt's slot back, if it holds one; the caller sets its new state.
  void Release(const AttemptRecord& attempt);
  void Forget(const protocol::AttemptId& id);
  // Gives its slot back and remembers it for a while.
  void Void(AttemptRecord& attempt);
  // Nobody waits for it any more: its worker is told, and it keeps its slot.
  void Abandon(AttemptRecord& attempt, const std::string& reason);

  // membership.cc
  void On(const WorkerUp& event);
  void On(const WorkerDown& event);
  void On(const WorkerDraining& event);
  void On(const WorkerReady& event) {}
  // The attempt went with its worker. The worker is gone from `workers`, or has come back without
  // it.
  void Orphan(const protocol::AttemptId& id, bool death);
  // `worker` says that it runs this attempt.
  void Adopt(WorkerRecord& worker, const protocol::AttemptId& id);
  // Places again what waits in a line that is no more.
  void PlaceAll(Line line);

  // placing.cc
  // Gives the task a slot, a place in a line or a Reject.
  void Place(TaskRecord& task, Arrival arrival);
  // Gives free slots to what waits.
  void Dispatch();
  bool TakeNext(WorkerRecord& worker);
  // Eligible workers, the best for this task first.
  std::vector<std::string_view> Order(const TaskRecord& task) const;
  std::vector<std::string_view> LeastLoaded(const TaskRecord& task) const;
  // Whether the task should keep off this worker, because it was lost there and others exist.
  bool Avoids(const TaskRecord& task, std::string_view worker_id) const;
  // Why the task runs on this worker. `line` is whose line it came from: the worker's own id when
  // it did not wait.
  std::string Reason(const TaskRecord& task, const std::vector<std::string_view>& order,
                     const std::string& worker_id, const std::string& line) const;
  void GiveSlot(TaskRecord& task, WorkerRecord& worker, const std::vector<std::string_view>& order,
                const std::string& line);
  void JoinLine(TaskRecord& task, WorkerRecord* worker, Arrival arrival);
  // Takes a waiting task out of its line.
  void LeaveLine(TaskRecord& task);
  // Brings the indexes up to date after any change of the worker.
  void Changed(const WorkerRecord& worker);

  const Options options;
  int64_t now_ms = 0;
  std::vector<Action> actions;  // of the event in hand
  uint64_t next_sequence = 1;
  int64_t mean_run_ms = kUnknownRunMs;  // moving average over finished attempts

  std::map<std::string, TaskRecord> tasks;
  std::map<protocol::AttemptId, AttemptRecord, AttemptOrder> attempts;
  std::map<std::string, WorkerRecord> workers;
  Line unplaced;
  int waiting = 0;  // in all lines and unplaced
  Timers timers;
  PoisonMemory poison;
  // Indexes of `workers`, kept by Changed().
  std::set<std::string> free;                       // with a free slot
  std::map<std::string, int> lengths;               // of the lines that are not empty
  std::set<std::pair<int, std::string>> by_length;  // (-length, worker id)
};

inline TimerKey TaskTimer(const std::string& task_id) { return {TimerKind::kTask, task_id, 0}; }
inline TimerKey AttemptTimer(const protocol::AttemptId& id) {
  return {TimerKind::kAttempt, id.task_id, id.attempt};
}
inline TimerKey WorkerTimer(const std::string& worker_id) {
  return {TimerKind::kWorker, worker_id, 0};
}

// An error of the code's own retryability.
base::ErrorInfo ErrorFor(base::ErrorCode code, std::string message);
// WORKER_LOST; for a write, which may have taken place, one that is not to be retried.
base::ErrorInfo LostError(const TaskRecord& task, const std::string& message);

}  // namespace eider::schedule
