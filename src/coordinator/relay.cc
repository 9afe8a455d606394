#include "coordinator/relay.h"

#include <arrow/buffer_builder.h>
#include <arrow/io/interfaces.h>
#include <arrow/ipc/writer.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"

namespace eider::coordinator {
namespace {

using base::ErrorCode;

// Collects what an IPC writer writes, to be taken away in pieces.
class Pieces final : public arrow::io::OutputStream {
 public:
  arrow::Status Write(const void* data, int64_t bytes) override {
    position_ += bytes;
    return builder_.Append(data, bytes);
  }
  using arrow::io::OutputStream::Write;
  arrow::Status Close() override { return arrow::Status::OK(); }
  bool closed() const override { return false; }
  arrow::Result<int64_t> Tell() const override { return position_; }

  arrow::Result<std::shared_ptr<arrow::Buffer>> Take() {
    return builder_.Finish(/*shrink_to_fit=*/false);
  }

 private:
  arrow::BufferBuilder builder_;
  int64_t position_ = 0;
};

}  // namespace

RelayedQuery::RelayedQuery(RelayContext& context, protocol::Query query, std::string task_id,
                           std::shared_ptr<ResultSink> sink)
    : context_(context),
      query_(std::move(query)),
      deadline_ms_(context.clock.MonotonicMs() + query_.timeout_ms),
      task_id_(std::move(task_id)),
      sink_(std::move(sink)) {}

void RelayedQuery::Cancel(const std::string& reason) {
  context_.dispatcher.Handle(schedule::Cancelled{task_id_, reason});
}

void RelayedQuery::OnClaim(const schedule::Claim& claim) {
  const bool taken =
      context_.executor.Offer([self = shared_from_this(), claim] { self->RunAttempt(claim); });
  // No thread for it now: back to the head of its line, rather than that its claim expires.
  if (!taken) context_.dispatcher.Handle(schedule::Refused{claim.attempt});
}

void RelayedQuery::OnReject(const base::ErrorInfo& why) {
  std::shared_ptr<RemoteStream> stream;
  {
    base::MutexLock lock(mutex_);
    rejected_ = why;
    stream = stream_;
    if (!running_ && !finished_) {
      finished_ = true;
    } else {
      // The relay thread has the sink: it finds the rejection when its stream breaks.
      if (stream != nullptr) stream->Cancel();
      return;
    }
  }
  Finish(base::MakeError(why));
}

bool RelayedQuery::OnMove(const schedule::Move& move) {
  base::MutexLock lock(mutex_);
  if (!running_ || attempt_ != move.attempt.attempt || delivers_ || rejected_) return false;
  moves_ = true;
  if (stream_ != nullptr) stream_->Cancel();
  return true;
}

void RelayedQuery::OnWorkerDown(const std::string& worker_id) {
  base::MutexLock lock(mutex_);
  if (!running_ || worker_id_ != worker_id) return;
  worker_gone_ = true;
  if (stream_ != nullptr) stream_->Cancel();
}

void RelayedQuery::OnWorkerFinished(const protocol::AttemptId& attempt,
                                    const protocol::Figures& figures) {
  base::MutexLock lock(mutex_);
  if (attempt.attempt != attempt_) return;
  if (running_) worker_finished_ms_ = context_.clock.MonotonicMs();
  figures_ = figures;
  reported_.NotifyAll();
}

bool RelayedQuery::IsOverdue() {
  base::MutexLock lock(mutex_);
  return running_ && !finished_ && !rejected_ &&
         context_.clock.MonotonicMs() >= deadline_ms_ + context_.deadline_grace_ms;
}

void RelayedQuery::Check() {
  if (IsOverdue()) {
    context_.dispatcher.Handle(schedule::Cancelled{.task_id = task_id_,
                                                   .reason = "the query ran longer than its " +
                                                             std::to_string(query_.timeout_ms) +
                                                             " ms, and DuckDB has not stopped yet",
                                                   .code = ErrorCode::kDeadlineExceeded});
    return;
  }
  base::MutexLock lock(mutex_);
  if (!running_ || gave_up_ || !worker_finished_ms_ || !reading_since_ms_) return;
  const int64_t since_ms = std::max(*worker_finished_ms_, *reading_since_ms_);
  if (context_.clock.MonotonicMs() - since_ms < context_.finished_grace_ms) return;
  gave_up_ = true;
  worker_gone_ = true;
  if (stream_ != nullptr) stream_->Cancel();
}

void RelayedQuery::SetReading(bool reading) {
  base::MutexLock lock(mutex_);
  reading_since_ms_.reset();
  if (reading) reading_since_ms_ = context_.clock.MonotonicMs();
}

arrow::Status RelayedQuery::Start(RemoteStream& stream) {
  SetReading(true);
  arrow::Status status = stream.Start();
  SetReading(false);
  return status;
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> RelayedQuery::Next(RemoteStream& stream) {
  SetReading(true);
  auto batch = stream.Next();
  SetReading(false);
  return batch;
}

void RelayedQuery::RunAttempt(const schedule::Claim& claim) {
  if (TakeUp(claim)) return Conclude(claim, Stream(claim));
  // Its ticket has not left and never will: the slot is free now, not when the claim expires.
  context_.dispatcher.Handle(schedule::Arrived{claim.attempt});
  context_.dispatcher.Handle(schedule::Finished{.attempt = claim.attempt});
}

bool RelayedQuery::TakeUp(const schedule::Claim& claim) {
  base::MutexLock lock(mutex_);
  if (finished_ || rejected_) return false;
  running_ = true;
  worker_gone_ = false;
  delivers_ = false;
  moves_ = false;
  worker_id_ = claim.worker_id;
  attempt_ = claim.attempt.attempt;
  worker_finished_ms_.reset();
  figures_.reset();
  gave_up_ = false;
  return true;
}

RelayedQuery::Result RelayedQuery::Stream(const schedule::Claim& claim) {
  const std::optional<WorkerInfo> worker = context_.membership.Find(claim.worker_id);
  if (!worker) {
    return {Outcome::kLost, base::MakeError(ErrorCode::kWorkerLost,
                                            "worker " + claim.worker_id + " is not attached")};
  }
  const arrow::Status begun = sink_->Begin({.query_id = query_.id,
                                            .worker_id = claim.worker_id,
                                            .location = worker->location,
                                            .reason = claim.reason,
                                            .queue_ms = claim.queue_ms});
  sink_failed_ = !begun.ok();
  if (!begun.ok()) return {Outcome::kFailed, begun};
  auto opened = worker->client->Run(context_.make_ticket(query_, claim, *worker));
  if (!opened.ok()) return Judge(claim, opened.status());
  const std::shared_ptr<RemoteStream> stream = std::move(*opened);
  {
    base::MutexLock lock(mutex_);
    stream_ = stream;
    if (worker_gone_ || rejected_ || moves_) stream->Cancel();
  }
  arrow::Status status = Start(*stream);
  if (status.ok()) {
    status = Copy(claim.attempt, *stream);
    // A client that has gone, or a sink that refuses more, leaves the worker in mid-stream.
    if (!status.ok()) stream->Cancel();
    if (status.ok() && query_.write) context_.written(query_.id, claim.worker_id);
    return status.ok() ? Result{Outcome::kWhole, status} : Judge(claim, status);
  }
  if (IsOfAnotherBoot(*worker, status)) {
    return {Outcome::kLost, base::MakeError(ErrorCode::kWorkerLost,
                                            "worker " + claim.worker_id + " has just restarted")};
  }
  const Result result = Judge(claim, status);
  if (result.outcome == Outcome::kFailed && !IsRejected()) {
    // It was refused or failed before its first batch: the worker is done with it. This order: what
    // has finished and not arrived may be moved.
    context_.dispatcher.Handle(schedule::Arrived{claim.attempt});
    context_.dispatcher.Handle(schedule::Finished{claim.attempt});
  }
  return result;
}

// A ticket is refused by a worker that started anew before the coordinator noticed.
bool RelayedQuery::IsOfAnotherBoot(const WorkerInfo& worker, const arrow::Status& error) const {
  if (base::ErrorOf(error).code != ErrorCode::kPermissionDenied) return false;
  const std::optional<WorkerInfo> now = context_.membership.Find(worker.hello.worker_id);
  return !now || now->hello.boot_id != worker.hello.boot_id;
}

bool RelayedQuery::IsRejected() {
  base::MutexLock lock(mutex_);
  return rejected_.has_value();
}

// Schema and first batch go together: a query that fails before its first batch can still be
// answered with a proper error, or run again elsewhere.
arrow::Status RelayedQuery::Copy(const protocol::AttemptId& attempt, RemoteStream& stream) {
  Pieces pieces;
  ARROW_ASSIGN_OR_RAISE(auto writer, arrow::ipc::MakeStreamWriter(&pieces, stream.schema()));
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, Next(stream));
    if (batch == nullptr) {
      ARROW_RETURN_NOT_OK(writer->Close());
    } else {
      ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(*batch));
    }
    ARROW_ASSIGN_OR_RAISE(auto piece, pieces.Take());
    if (!delivered_) {
      if (!BeginDelivery()) return arrow::Status::Cancelled("moved");
      context_.dispatcher.Handle(schedule::Arrived{attempt});
    }
    delivered_ = true;
    const arrow::Status written = sink_->Write(std::move(piece));
    sink_failed_ = !written.ok();
    ARROW_RETURN_NOT_OK(written);
    if (batch == nullptr) return arrow::Status::OK();
  }
}

bool RelayedQuery::BeginDelivery() {
  base::MutexLock lock(mutex_);
  delivers_ = !moves_;
  return delivers_;
}

RelayedQuery::Result RelayedQuery::Judge(const schedule::Claim& claim, const arrow::Status& error) {
  base::MutexLock lock(mutex_);
  const base::ErrorInfo info = base::ErrorOf(error);
  if (moves_) return {Outcome::kMoved, error};
  if (gave_up_) {
    return {Outcome::kLost, base::MakeError(ErrorCode::kWorkerLost,
                                            "worker " + claim.worker_id +
                                                " finished, but its result did not "
                                                "arrive: its connection is taken for lost")};
  }
  const bool gone = worker_gone_ || info.code == ErrorCode::kWorkerLost;
  if (gone) {
    return {Outcome::kLost,
            base::MakeError(ErrorCode::kWorkerLost, "worker " + claim.worker_id + " was lost (" +
                                                        claim.reason + "): " + info.message)};
  }
  if (info.code == ErrorCode::kOverloaded && !delivered_) return {Outcome::kRefused, error};
  return {Outcome::kFailed, error};
}

schedule::Event RelayedQuery::ToldOf(const protocol::AttemptId& attempt, Outcome outcome) const {
  if (outcome == Outcome::kRefused) return schedule::Refused{attempt};
  if (outcome == Outcome::kMoved) return schedule::Moved{attempt};
  return schedule::Lost{attempt, delivered_};
}

void RelayedQuery::Conclude(const schedule::Claim& claim, const Result& result) {
  arrow::Status status = result.why;
  Outcome outcome = result.outcome;
  bool over = outcome == Outcome::kWhole || outcome == Outcome::kFailed;
  {
    base::MutexLock lock(mutex_);
    // The scheduler waits for this answer, whatever befell the attempt before it was given up.
    if (moves_ && !sink_failed_) outcome = Outcome::kMoved;
    over = over && outcome != Outcome::kMoved;
    running_ = false;
    stream_ = nullptr;
    if (rejected_ && outcome != Outcome::kWhole) {
      status = base::MakeError(*rejected_);
      over = true;
    }
    if (over) finished_ = true;
  }
  if (over) {
    // Its error has.
    if (!delivered_) context_.dispatcher.Handle(schedule::Arrived{claim.attempt});
    Finish(status);
    if (sink_failed_) Cancel("its client has gone, or takes no more");
    return;
  }
  if (context_.dispatcher.Handle(ToldOf(claim.attempt, outcome))) return;
  if (outcome == Outcome::kMoved) return;  // rejected meanwhile, which comes
  // The worker had finished its part, but not all of it reached us.
  {
    base::MutexLock lock(mutex_);
    if (std::exchange(finished_, true)) return;
  }
  Finish(status);
}

void RelayedQuery::Report() {
  const auto until =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(sink_->figures_wait_ms());
  std::optional<protocol::Figures> figures;
  {
    base::MutexLock lock(mutex_);
    while (!figures_ && std::chrono::steady_clock::now() < until) {
      reported_.WaitUntil(mutex_, until);
    }
    figures = figures_;
  }
  if (figures) sink_->Report(*figures);
}

void RelayedQuery::Finish(const arrow::Status& status) {
  std::optional<base::ErrorInfo> error;
  if (!status.ok()) error = base::ErrorOf(status);
  if (error && (error->code == ErrorCode::kWorkerLost || error->code == ErrorCode::kPoisoned)) {
    // Nobody is left who could tell what it cost.
    context_.history.Update(query_.id, [](QueryRecord& record) { record.reported = true; });
  }
  context_.history.End(query_.id, error);
  if (error) {
    sink_->Fail(status);
  } else {
    Report();
    sink_->End();
  }
  context_.ended(query_.id);
}

}  // namespace eider::coordinator
