// Relay: one query whose result the coordinator streams through, from its claim to its end.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "coordinator/dispatch.h"
#include "coordinator/executor.h"
#include "coordinator/history.h"
#include "coordinator/membership.h"
#include "coordinator/service.h"

namespace eider::coordinator {

// What relays share. All outlive every query.
struct RelayContext {
  Dispatcher& dispatcher;
  Membership& membership;
  History& history;
  Executor& executor;
  const base::Clock& clock;
  int64_t finished_grace_ms;  // see Coordinator::Options
  int64_t deadline_grace_ms;  // the same
  // Makes the ticket for an attempt of the query, for the worker as it is now.
  std::function<std::string(const protocol::Query&, const schedule::Claim&, const WorkerInfo&)>
      make_ticket;
  // The query that writes has its whole result from this worker: returns when the other workers
  // know what it wrote.
  std::function<void(const std::string& query_id, const std::string& worker_id)> written;
  // The query is over; called once, last.
  std::function<void(const std::string& query_id)> ended;
};

// A query and the sink that waits for its result. The sink is used by one thread at a time: the
// relay's while an attempt runs, else whichever brings the rejection. It gets exactly one End or
// Fail. A result of which something was delivered is never started again. Thread-safe.
class RelayedQuery final : public TaskListener,
                           public Submitted,
                           public std::enable_shared_from_this<RelayedQuery> {
 public:
  RelayedQuery(RelayContext& context, protocol::Query query, std::string task_id,
               std::shared_ptr<ResultSink> sink);

  const std::string& query_id() const override { return query_.id; }
  void Cancel(const std::string& reason) override;
  void OnClaim(const schedule::Claim& claim) override;
  bool OnMove(const schedule::Move& move) override EIDER_EXCLUDES(mutex_);
  void OnReject(const base::ErrorInfo& why) override EIDER_EXCLUDES(mutex_);
  // The worker is no longer attached: an attempt on it is lost.
  void OnWorkerDown(const std::string& worker_id) EIDER_EXCLUDES(mutex_);
  // The worker says that it has ended the attempt: what it gave is on its way.
  void OnWorkerFinished(const protocol::AttemptId& attempt, const protocol::Figures& figures)
      EIDER_EXCLUDES(mutex_);
  // Gives up an attempt whose worker has finished and whose result does not come: the worker may
  // be in good health while the connection of its results alone is dead. Gives up a query whose
  // deadline is past and whose worker does not say so: DuckDB may be in a call that does not look
  // at its interrupt, and keeps the slot; the client need not wait for that.
  void Check() EIDER_EXCLUDES(mutex_);

 private:
  // How an attempt ended.
  enum class Outcome { kWhole, kFailed, kLost, kRefused, kMoved };
  struct Result {
    Outcome outcome = Outcome::kFailed;
    arrow::Status why;
  };

  void RunAttempt(const schedule::Claim& claim) EIDER_EXCLUDES(mutex_);
  bool IsOverdue() EIDER_EXCLUDES(mutex_);
  // False where the query is over already.
  bool TakeUp(const schedule::Claim& claim) EIDER_EXCLUDES(mutex_);
  Result Stream(const schedule::Claim& claim) EIDER_EXCLUDES(mutex_);
  arrow::Status Copy(const protocol::AttemptId& attempt, RemoteStream& stream)
      EIDER_EXCLUDES(mutex_);
  // False where the attempt was given up before its first piece.
  bool BeginDelivery() EIDER_EXCLUDES(mutex_);
  // Marks what waits for the worker, for Check().
  arrow::Status Start(RemoteStream& stream) EIDER_EXCLUDES(mutex_);
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next(RemoteStream& stream)
      EIDER_EXCLUDES(mutex_);
  void SetReading(bool reading) EIDER_EXCLUDES(mutex_);
  bool IsOfAnotherBoot(const WorkerInfo& worker, const arrow::Status& error) const;
  bool IsRejected() EIDER_EXCLUDES(mutex_);
  Result Judge(const schedule::Claim& claim, const arrow::Status& error) EIDER_EXCLUDES(mutex_);
  // Gives up the sink after an attempt; what was rejected meanwhile ends the query.
  void Conclude(const schedule::Claim& claim, const Result& result) EIDER_EXCLUDES(mutex_);
  // What the scheduler hears of an attempt that did not end the query.
  schedule::Event ToldOf(const protocol::AttemptId& attempt, Outcome outcome) const;
  void Finish(const arrow::Status& status) EIDER_EXCLUDES(mutex_);
  // Tells the sink what the query cost, where it wants to know and the worker reports soon.
  void Report() EIDER_EXCLUDES(mutex_);

  RelayContext& context_;
  const protocol::Query query_;
  const int64_t deadline_ms_;
  const std::string task_id_;
  const std::shared_ptr<ResultSink> sink_;
  bool delivered_ = false;    // something was; used by the thread that has the sink
  bool sink_failed_ = false;  // the same

  base::Mutex mutex_;
  base::CondVar reported_;
  bool running_ EIDER_GUARDED_BY(mutex_) = false;  // an attempt has the sink
  bool finished_ EIDER_GUARDED_BY(mutex_) = false;
  bool worker_gone_ EIDER_GUARDED_BY(mutex_) = false;
  bool delivers_ EIDER_GUARDED_BY(mutex_) = false;  // the running attempt: it is not given up
  bool moves_ EIDER_GUARDED_BY(mutex_) = false;     // the running attempt is given up
  std::string worker_id_ EIDER_GUARDED_BY(mutex_);  // of the running attempt
  int attempt_ EIDER_GUARDED_BY(mutex_) = 0;        // its number
  std::optional<int64_t> worker_finished_ms_ EIDER_GUARDED_BY(mutex_);
  std::optional<protocol::Figures> figures_ EIDER_GUARDED_BY(mutex_);  // of that attempt
  std::optional<int64_t> reading_since_ms_ EIDER_GUARDED_BY(mutex_);   // waits for the worker
  bool gave_up_ EIDER_GUARDED_BY(mutex_) = false;
  std::optional<base::ErrorInfo> rejected_ EIDER_GUARDED_BY(mutex_);
  std::shared_ptr<RemoteStream> stream_ EIDER_GUARDED_BY(mutex_);
};

}  // namespace eider::coordinator
