#include "engine/execution.h"

#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <optional>
#include <utility>

#include "base/error.h"
#include "duckdb.hpp"
#include "engine/arguments.h"
#include "engine/errors.h"
#include "engine/policy.h"
#include "engine/sandbox.h"

namespace eider::engine {
namespace {

using base::ErrorCode;
using base::MakeError;

ErrorContext ContextOf(const Session& session) {
  if (!session.database) return {};
  ErrorContext context{
      .credentials = CredentialsOf(*session.database), .files = session.files, .denied_tables = {}};
  auto& config = duckdb::DBConfig::GetConfig(*session.database->instance);
  for (const std::string& path : session.path_like_tables) {
    if (!config.CanAccessFile(path, duckdb::FileType::FILE_TYPE_REGULAR)) {
      context.denied_tables.push_back(path);
    }
  }
  return context;
}

arrow::Status Translate(const Session& session, const duckdb::ErrorData& error) {
  return TranslateError(error, ContextOf(session));
}

arrow::Status Cancelled() { return MakeError(ErrorCode::kCancelled, "the query was cancelled"); }

protocol::Figures Sum(protocol::Figures a, const protocol::Figures& b) {
  a.s3_opens += b.s3_opens;
  a.s3_requests += b.s3_requests;
  a.s3_list_requests += b.s3_list_requests;
  a.s3_bytes += b.s3_bytes;
  a.asked_bytes += b.asked_bytes;
  a.cache_bytes += b.cache_bytes;
  a.cache_hits += b.cache_hits;
  a.cache_misses += b.cache_misses;
  a.shared_fetches += b.shared_fetches;
  a.retries += b.retries;
  a.hedges += b.hedges;
  return a;
}

arrow::Status Prepare(const Session& session, AllowedStatement* allowed) {
  duckdb::ClientContext& context = *session.connection->context;
  session.state->set_read_only(false);
  for (auto& preparation : allowed->preparations) {
    BoundArguments none;
    RunningStatement running(context, std::move(preparation), none);
    while (running.Next()) continue;  // its rows say nothing
    if (const auto error = running.error()) return Translate(session, *error);
  }
  session.state->set_read_only(true);
  return arrow::Status::OK();
}

}  // namespace

QueryExecution::QueryExecution(MakeSession make_session, const Statement& statement,
                               OnWritten on_written, Clock::time_point started_at)
    : make_session_(std::move(make_session)),
      statement_(statement),
      on_written_(std::move(on_written)),
      started_at_(started_at),
      interrupter_(std::make_shared<Interrupter>()) {}

arrow::Result<std::unique_ptr<QueryExecution>> QueryExecution::Start(MakeSession make_session,
                                                                     const Statement& statement,
                                                                     OnWritten on_written,
                                                                     Clock::time_point started_at) {
  std::unique_ptr<QueryExecution> execution(
      new QueryExecution(std::move(make_session), statement, std::move(on_written), started_at));
  if (statement.on_interruptible) {
    statement.on_interruptible(
        [interrupter = execution->interrupter_] { interrupter->Interrupt(); });
  }
  arrow::Status status = execution->Begin();
  if (!status.ok()) status = execution->BeginAgainAfter(status);
  if (!status.ok()) return status;
  execution->schema_ = execution->builder_->schema();
  return execution;
}

arrow::Status QueryExecution::Begin() {
  Close();
  try {
    session_ = make_session_();
    {
      base::MutexLock lock(mutex_);
      states_.push_back(session_.state);
    }
    interrupter_->Attach(session_.connection->context, session_.state);
    ARROW_ASSIGN_OR_RAISE(AllowedStatement allowed,
                          ParseAllowed(statement_.sql, statement_.arguments, statement_.write));
    session_.files = allowed.inspection.files;
    session_.path_like_tables = allowed.inspection.path_like_tables;
    const arrow::Status status = Bind(&allowed);
    return interrupter_->interrupted() ? Cancelled() : status;
  } catch (const std::exception& exception) {
    if (interrupter_->interrupted()) return Cancelled();
    return TranslateException(exception, ContextOf(session_));
  }
}

arrow::Status QueryExecution::BeginAgainAfter(const arrow::Status& failure) {
  const bool changed = session_.state && session_.state->object_changed();
  if (!changed || begun_again_ || batches_ > 0 || statement_.write) return failure;
  begun_again_ = true;
  ARROW_RETURN_NOT_OK(Begin());
  // What was promised at the start holds: another schema is not for a client that knows the first.
  if (schema_ && !schema_->Equals(*builder_->schema())) return failure;
  return arrow::Status::OK();
}

arrow::Status QueryExecution::Bind(AllowedStatement* allowed) {
  duckdb::ClientContext& context = *session_.connection->context;
  QueryState::Register(context, session_.state);
  ARROW_ASSIGN_OR_RAISE(BoundArguments bound, BindArguments(context, statement_.arguments,
                                                            allowed->statement->named_param_map));
  if (!allowed->preparations.empty()) ARROW_RETURN_NOT_OK(Prepare(session_, allowed));
  // DuckDB clears its flag as each of its statements begins: ours is what counts.
  if (interrupter_->interrupted()) return Cancelled();
  running_ = std::make_unique<RunningStatement>(context, std::move(allowed->statement), bound);
  if (const auto error = running_->error()) return Translate(session_, *error);
  ARROW_ASSIGN_OR_RAISE(builder_, BatchBuilder::Make(running_->types(), running_->names(),
                                                     context.GetClientProperties()));
  return arrow::Status::OK();
}

void QueryExecution::Close() {
  builder_.reset();
  running_.reset();
  session_ = {};
}

QueryExecution::~QueryExecution() {
  // What still runs stops at its next look at the flag; closing the connection waits for that.
  if (!ended_) interrupter_->Interrupt();
  Close();
  TellWritten();
}

void QueryExecution::TellWritten() {
  if (told_written_) return;
  told_written_ = true;
  const std::vector<std::string> urls = written();
  if (!urls.empty()) on_written_(urls);
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> QueryExecution::Next() {
  if (!failure_.ok()) return failure_;
  if (ended_) return nullptr;
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> batch = NextOnce();
  if (!batch.ok()) {
    const arrow::Status again = BeginAgainAfter(batch.status());
    batch = again.ok() ? NextOnce() : again;
  }
  if (!batch.ok()) return Failed(batch.status());
  if (*batch == nullptr) {
    ended_ = true;
    run_us_ = ElapsedUs();
    TellWritten();
  } else {
    Count(**batch);
  }
  return batch;
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> QueryExecution::NextOnce() {
  try {
    return NextOrThrow();
  } catch (const std::exception& exception) {
    return TranslateException(exception, ContextOf(session_));
  }
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> QueryExecution::NextOrThrow() {
  while (true) {
    if (interrupter_->interrupted()) return Cancelled();
    if (builder_->used_up()) {
      std::optional<ResultPiece> piece = running_->Next();
      // No more rows may be the end, or why there are none: only the error tells.
      if (const auto error = running_->error()) return Translate(session_, *error);
      if (!piece) break;
      builder_->Offer(std::move(*piece));
    }
    builder_->Take();
    if (builder_->full()) return builder_->Finish();
  }
  if (builder_->empty()) return nullptr;
  return builder_->Finish();
}

arrow::Status QueryExecution::Failed(arrow::Status status) {
  // Once cancelled, whatever DuckDB says of it is a consequence.
  if (interrupter_->interrupted()) status = Cancelled();
  failure_ = std::move(status);
  run_us_ = ElapsedUs();
  return failure_;
}

void QueryExecution::Count(const arrow::RecordBatch& batch) {
  if (batches_ == 0) first_batch_us_ = ElapsedUs();
  batches_ += 1;
  rows_ += batch.num_rows();
  bytes_ += arrow::util::TotalBufferSize(batch);
}

int64_t QueryExecution::ElapsedUs() const {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - started_at_).count();
}

protocol::Figures QueryExecution::figures() const {
  protocol::Figures total;
  {
    base::MutexLock lock(mutex_);
    for (const auto& state : states_) total = Sum(total, state->figures());
  }
  const int64_t run_us = run_us_;
  total.rows = rows_;
  total.bytes = bytes_;
  total.batches = batches_;
  total.run_us = run_us != 0 ? run_us : ElapsedUs();
  total.first_batch_us = first_batch_us_;
  return total;
}

std::vector<std::string> QueryExecution::written() const {
  base::MutexLock lock(mutex_);
  return states_.empty() ? std::vector<std::string>() : states_.back()->written();
}

}  // namespace eider::engine
