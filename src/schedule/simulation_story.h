// A random story of a small fleet, under virtual time: workers that die, restart, flap, refuse,
// drain and cannot read, clients that never come or cancel, streams that break. After each event
// the invariants of scheduler.h are checked against a model that knows only what went in and what
// came out; what the scheduler says that it would do (Explain) is checked against what it then
// does.
//
// For simulation_test.cc alone. The same seed tells the same story.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "schedule/scheduler.h"

namespace eider::schedule {

// How often what the stories are about took place, over all seeds.
using Seen = std::map<std::string, int>;

class Story {
 public:
  Story(uint64_t seed, bool tells, Seen* seen);

  // Empty when all went well, else what did not, and the story.
  std::string Run();

 private:
  static constexpr int kKeys = 6;

  struct ModelTask {
    Task task;
    bool waiting = true;
    int64_t waiting_since_ms = 0;  // submitted, or lost the last time
    bool orphaned = false;         // current attempt's worker went down
    bool asked = false;            // to move, ever
    bool arrived = false;          // something of the current attempt
    bool finished = false;         // the current attempt, of which nothing has arrived
    bool fell = false;             // a worker did, under one of its attempts
    int attempt = 0;
    std::string worker;  // of the current attempt
    std::set<std::string> failed_on;
    bool write_may_have_run = false;
  };
  // What a worker really does.
  struct ModelWorker {
    bool up = false;  // attached
    bool draining = false;
    bool ready = true;
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
    if (tells_ && failure_.empty()) story_ += std::to_string(now_ms_) + " " + what + "\n";
  }

  // Lets time pass, with the ticks that were asked for.
  void Pass(int64_t ms);

  void Step();

  static std::string Name(const protocol::AttemptId& id) {
    return id.task_id + "/" + std::to_string(id.attempt);
  }
  static std::string Key(int n) { return "s3://b/" + std::to_string(n); }

  void Submit();

  std::map<std::string, int> Lines() const;

  // The load is within its bound where the task goes, or nowhere.
  void CheckRoute(const Task& task, const Route& route);

  // What was to come of a submission came of it.
  void CheckOutcome(const Task& task, const Route& route, std::map<std::string, int> before);

  // What was to be refused whatever it is was refused, and nothing else came of it.
  void CheckRefusal(const Task& task, const std::optional<base::ErrorInfo>& refusal);

  // Something happens to an attempt that was given to a worker and has not ended there.
  void Progress();

  bool IsCurrent(const ModelTask& task, const protocol::AttemptId& id) const;

  void SendFinished(const protocol::AttemptId& id);

  // The first of the result of a relayed task's current attempt, which runs or has finished.
  void SendArrived(const std::string& task_id);

  void LoseAttempt(const protocol::AttemptId& id, bool delivered);

  void Cancel();

  // The worker attaches, after a restart or with what it still runs.
  void Up(const std::string& id);

  void ForgetRuns(ModelWorker& worker);

  // What ran there may be held for it.
  void NoteFall(const ModelWorker& worker);

  void Down(const std::string& id);

  void Drain(const std::string& id);

  void Ready(const std::string& id, bool ready);

  // A key's owner is the first in rank of those that get tasks, and it moves only from or to a
  // worker that has just begun or ceased to get some, or has other slots.
  void CheckOwners();

  // Who gets tasks: workers that are held back only where there is no other.
  void FindEligible();

  bool IsEligible(const std::string& worker_id) const;

  void Send(const Event& event, const std::string& told);

  void OnClaim(const Claim& claim);

  void OnStop(const Stop& stop);

  void OnMove(const Move& move);

  // The relay has given an attempt up that it was asked to, or has not.
  void AnswerMove();

  bool Takes(const ModelWorker& worker) const;

  bool Avoids(const ModelTask& task, const std::string& worker_id) const;

  void Check(const std::set<std::string>& claimed_workers);

  // A task is in one place: the counts agree with the model's.
  void CheckWaiting();

  void CheckWorker(const WorkerView& view);

  // The worker has a free slot, so that nothing waits in its own line, and nothing that it may
  // steal for long in another's.
  void CheckIdle(const WorkerView& view);

  // All that runs ends, time passes: everything is over and nothing is left.
  void Settle();

  std::mt19937_64 random_;
  const bool tells_;
  Seen& seen_;
  Options options_;
  std::unique_ptr<Scheduler> scheduler_;
  int64_t now_ms_ = 0;
  int submitted_ = 0;
  std::map<std::string, ModelTask> tasks_;  // that have not ended
  std::map<std::string, ModelWorker> workers_;
  std::map<std::string, Given> given_;      // by name
  std::map<int, std::string> owners_;       // of the keys
  std::map<std::string, int> owner_slots_;  // of those that could own them
  std::vector<WorkerView> eligible_;
  std::vector<Claim> claims_;               // since the last submission
  std::vector<Reject> rejects_;             // the same
  std::vector<protocol::AttemptId> asked_;  // to move, and not answered yet
  std::set<std::string> stopped_current_;
  std::string must_reject_;
  std::string failure_;
  std::string story_;
};

}  // namespace eider::schedule
