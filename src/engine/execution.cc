#include "engine/execution.h"

#include <arrow/util/byte_size.h>

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

arrow::Status CancelledError() {
  return MakeError(ErrorCode::kCancelled, "the query was cancelled");
}

arrow::Status Prepare(const Session& session, AllowedStatement* allowed) {
  session.state->set_read_only(false);
  for (auto& preparation : allowed->preparations) {
    const auto result = session.connection->context->Query(std::move(preparation), false);
    if (result->HasError()) return Translate(session, result->GetErrorObject());
  }
  session.state->set_read_only(true);
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<std::unique_ptr<QueryExecution>> QueryExecution::Start(Session session,
                                                                     const Statement& statement,
                                                                     Clock::time_point started_at) {
  ARROW_ASSIGN_OR_RAISE(AllowedStatement allowed,
                        ParseAllowed(statement.sql, statement.arguments, statement.write));
  session.files = std::move(allowed.inspection.files);
  session.path_like_tables = std::move(allowed.inspection.path_like_tables);
  std::unique_ptr<QueryExecution> execution(new QueryExecution(std::move(session), started_at));
  if (statement.on_interruptible) statement.on_interruptible(execution->Interrupter());
  arrow::Status bound;
  try {
    bound = execution->Bind(&allowed, statement.arguments);
  } catch (const std::exception& exception) {
    bound = TranslateException(exception, ContextOf(execution->session_));
  }
  // DuckDB clears its flag as each of its statements begins: ours is what counts.
  if (*execution->cancelled_) return CancelledError();
  ARROW_RETURN_NOT_OK(bound);
  return execution;
}

std::function<void()> QueryExecution::Interrupter() const {
  return [cancelled = cancelled_,
          context = duckdb::weak_ptr<duckdb::ClientContext>(session_.connection->context)] {
    *cancelled = true;
    if (const auto alive = context.lock()) alive->Interrupt();
  };
}

arrow::Status QueryExecution::Bind(AllowedStatement* allowed,
                                   const protocol::Arguments& arguments) {
  duckdb::ClientContext& context = *session_.connection->context;
  QueryState::Register(context, session_.state);
  ARROW_ASSIGN_OR_RAISE(BoundArguments bound,
                        BindArguments(context, arguments, allowed->statement->named_param_map));
  if (!allowed->preparations.empty()) ARROW_RETURN_NOT_OK(Prepare(session_, allowed));
  if (*cancelled_) return CancelledError();
  // With its arguments at once: a prepared statement would be bound twice.
  pending_ = context.PendingQuery(std::move(allowed->statement), bound,
                                  duckdb::QueryResultOutputType::ALLOW_STREAMING);
  if (pending_->HasError()) return Translate(session_, pending_->GetErrorObject());
  ARROW_ASSIGN_OR_RAISE(builder_, BatchBuilder::Make(pending_->types, pending_->names,
                                                     context.GetClientProperties()));
  return arrow::Status::OK();
}

QueryExecution::~QueryExecution() {
  // What still runs stops at its next look at the flag; closing the connection waits for that.
  if (!ended_) session_.connection->context->Interrupt();
  builder_.reset();
  result_.reset();
  pending_.reset();
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> QueryExecution::Next() {
  if (!failure_.ok()) return failure_;
  if (ended_) return nullptr;
  try {
    arrow::Result<std::shared_ptr<arrow::RecordBatch>> batch = NextOrThrow();
    if (!batch.ok()) return Failed(batch.status());
    if (*batch == nullptr) {
      ended_ = true;
      run_us_ = ElapsedUs();
    } else {
      Count(**batch);
    }
    return batch;
  } catch (const std::exception& exception) {
    return Failed(TranslateException(exception, ContextOf(session_)));
  }
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> QueryExecution::NextOrThrow() {
  while (true) {
    if (*cancelled_) return CancelledError();
    if (!chunk_) {
      ARROW_ASSIGN_OR_RAISE(const bool more, Fetch());
      if (!more) break;
    }
    if (builder_->Take()) chunk_.reset();
    if (builder_->full()) return builder_->Finish();
  }
  if (builder_->empty()) return nullptr;
  return builder_->Finish();
}

arrow::Result<bool> QueryExecution::Fetch() {
  if (!result_) {
    // Blocks until the first rows are there, or the end.
    result_ = pending_->Execute();
    pending_.reset();
    if (result_->HasError()) return Translate(session_, result_->GetErrorObject());
  }
  if (IsOpen()) chunk_ = result_->Fetch();
  // A stream that is broken off also gives no chunk: only its error tells.
  if (result_->HasError()) return Translate(session_, result_->GetErrorObject());
  if (!chunk_ || chunk_->size() == 0) {
    chunk_.reset();
    return false;
  }
  builder_->Offer(*chunk_);
  return true;
}

bool QueryExecution::IsOpen() {
  if (result_->type != duckdb::QueryResultType::STREAM_RESULT) return true;
  return result_->Cast<duckdb::StreamQueryResult>().IsOpen();
}

arrow::Status QueryExecution::Failed(arrow::Status status) {
  // Once cancelled, whatever DuckDB says of it is a consequence.
  if (*cancelled_) status = CancelledError();
  failure_ = std::move(status);
  run_us_ = ElapsedUs();
  return failure_;
}

void QueryExecution::Cancel() {
  *cancelled_ = true;
  session_.connection->context->Interrupt();
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
  const ReadCounters& counters = session_.state->counters();
  const int64_t run_us = run_us_;
  return {.rows = rows_,
          .bytes = bytes_,
          .batches = batches_,
          .run_us = run_us != 0 ? run_us : ElapsedUs(),
          .first_batch_us = first_batch_us_,
          .s3_opens = counters.opens,
          .s3_reads = counters.reads,
          .s3_bytes = counters.bytes};
}

}  // namespace eider::engine
