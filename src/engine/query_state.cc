#include "engine/query_state.h"

#include <utility>

#include "duckdb.hpp"
#include "duckdb/common/file_opener.hpp"
#include "duckdb/main/client_context.hpp"
#include "duckdb/main/prepared_statement_data.hpp"
#include "engine/errors.h"

namespace eider::engine {
namespace {

constexpr char kStateName[] = "eider_query";

cache::Mode ModeOf(protocol::CacheMode mode) {
  switch (mode) {
    case protocol::CacheMode::kUse:
      return cache::Mode::kUse;
    case protocol::CacheMode::kPassive:
      return cache::Mode::kPassive;
    case protocol::CacheMode::kOff:
      return cache::Mode::kOff;
    case protocol::CacheMode::kRefresh:
      return cache::Mode::kRefresh;
  }
  return cache::Mode::kOff;
}

}  // namespace

QueryState::QueryState(protocol::CacheMode mode, TimePoint deadline)
    : reads_(ModeOf(mode), store::Scope{.stop = stop_.get_token(),
                                        .deadline = deadline,
                                        .costs = std::make_shared<store::Costs>()}) {}

void QueryState::ThrowFailedRead(const arrow::Status& failure) {
  if (cache::IsObjectChanged(failure)) object_changed_ = true;
  ThrowStatus(failure);
}

void QueryState::CountPassedOpen() {
  reads_.counters().opens += 1;
  reads_.scope().costs->requests += 1;
}

void QueryState::CountPassedRead(int64_t bytes) {
  reads_.counters().asked_bytes += bytes;
  reads_.counters().misses += 1;
  reads_.scope().costs->requests += 1;
  reads_.scope().costs->bytes += bytes;
}

protocol::Figures QueryState::figures() const {
  const cache::ReadCounters& reads = reads_.counters();
  const store::Costs& costs = *reads_.scope().costs;
  return {.s3_opens = reads.opens,
          .s3_requests = costs.requests,
          .s3_list_requests = costs.list_requests,
          .s3_bytes = costs.bytes,
          .asked_bytes = reads.asked_bytes,
          .cache_bytes = reads.cache_bytes,
          .cache_hits = reads.hits,
          .cache_misses = reads.misses,
          .shared_fetches = reads.shared_fetches,
          .retries = costs.retries,
          .hedges = costs.hedges};
}

void QueryState::NoteWritten(const std::string& url) {
  base::MutexLock lock(mutex_);
  written_.insert(url);
}

std::vector<std::string> QueryState::written() const {
  base::MutexLock lock(mutex_);
  return {written_.begin(), written_.end()};
}

void QueryState::Register(duckdb::ClientContext& context, duckdb::shared_ptr<QueryState> state) {
  state->context_ = &context;
  context.registered_state->Remove(kStateName);
  context.registered_state->Insert(kStateName, std::move(state));
}

duckdb::shared_ptr<QueryState> QueryState::Of(duckdb::optional_ptr<duckdb::FileOpener> opener) {
  auto context = duckdb::FileOpener::TryGetClientContext(opener);
  return context ? Of(*context) : nullptr;
}

duckdb::shared_ptr<QueryState> QueryState::Of(duckdb::ClientContext& context) {
  return context.registered_state->Get<QueryState>(kStateName);
}

duckdb::RebindQueryInfo QueryState::OnFinalizePrepare(duckdb::ClientContext& context,
                                                      duckdb::PreparedStatementData& prepared,
                                                      duckdb::PreparedStatementMode) {
  if (read_only_ && !prepared.properties.IsReadOnly()) {
    throw duckdb::InvalidInputException(
        "the statement modifies the worker's database, which is "
        "not allowed");
  }
  return duckdb::RebindQueryInfo::DO_NOT_REBIND;
}

}  // namespace eider::engine
