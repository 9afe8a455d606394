#include "engine/query_state.h"

#include <algorithm>
#include <utility>

#include "duckdb.hpp"
#include "duckdb/common/file_opener.hpp"
#include "duckdb/main/client_context.hpp"
#include "duckdb/main/prepared_statement_data.hpp"

namespace eider::engine {
namespace {

constexpr char kStateName[] = "eider_query";

// DuckDB fills its buffer of a stream (1 MB) counting 16 bytes for each string, so that it holds
// thirty chunks of 2,048 strings whatever their length. With this it is full after one. It must not
// be smaller: DuckDB parts it 6 to 4, and a part that rounds to 0 is full for ever.
constexpr duckdb::idx_t kOneChunk = 16;

}  // namespace

void QueryState::Register(duckdb::ClientContext& context, duckdb::shared_ptr<QueryState> state) {
  context.registered_state->Remove(kStateName);
  context.registered_state->Insert(kStateName, std::move(state));
}

duckdb::shared_ptr<QueryState> QueryState::Of(duckdb::optional_ptr<duckdb::FileOpener> opener) {
  const auto context = duckdb::FileOpener::TryGetClientContext(opener);
  if (!context) return nullptr;
  return context->registered_state->Get<QueryState>(kStateName);
}

duckdb::RebindQueryInfo QueryState::OnFinalizePrepare(duckdb::ClientContext& context,
                                                      duckdb::PreparedStatementData& prepared,
                                                      duckdb::PreparedStatementMode) {
  if (read_only_ && !prepared.properties.IsReadOnly()) {
    throw duckdb::InvalidInputException(
        "the statement modifies the worker's database, which is "
        "not allowed");
  }
  const bool fixed = std::ranges::all_of(prepared.types, [](const duckdb::LogicalType& type) {
    return duckdb::TypeIsConstantSize(type.InternalType());
  });
  if (!fixed) context.config.streaming_buffer_size = kOneChunk;
  return duckdb::RebindQueryInfo::DO_NOT_REBIND;
}

}  // namespace eider::engine
