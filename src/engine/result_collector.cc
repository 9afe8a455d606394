#include "engine/result_collector.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "duckdb.hpp"
#include "duckdb/common/types/column/column_data_collection.hpp"
#include "duckdb/execution/operator/helper/physical_result_collector.hpp"
#include "duckdb/execution/physical_plan_generator.hpp"
#include "duckdb/main/client_context.hpp"
#include "duckdb/main/materialized_query_result.hpp"
#include "duckdb/main/prepared_statement_data.hpp"
#include "engine/row_bytes.h"

namespace eider::engine {
namespace {

// A larger chunk comes in several pieces: the rows of one may be few strings in many places, or one
// in all of them, which take more the moment they are copied.
constexpr int64_t kMaxPieceBytes = ResultQueue::kMaxBytes;
// What a piece of however few rows takes, of each vector: itself, and where its strings lie.
constexpr int64_t kVectorBytes = 4 << 10;

enum class Order {
  kNone,     // as the rows come
  kOneTask,  // as the only task makes them
  kBatches,  // by batch, and as its task makes them
};

Order OrderOf(duckdb::ClientContext& context, duckdb::PhysicalOperator& root) {
  if (!duckdb::PhysicalPlanGenerator::PreserveInsertionOrder(context, root)) return Order::kNone;
  if (!duckdb::PhysicalPlanGenerator::UseBatchIndex(context, root)) return Order::kOneTask;
  return Order::kBatches;
}

// Where a task is in the chunk that it has: DuckDB gives it the same again once it was blocked.
struct LocalState final : duckdb::LocalSinkState {
  duckdb::idx_t next_row = 0;
  std::vector<int64_t> row_bytes;  // see RowBytes::Variable()
};

struct GlobalState final : duckdb::GlobalSinkState {
  duckdb::ClientProperties properties;
};

class ResultCollector final : public duckdb::PhysicalResultCollector {
 public:
  ResultCollector(duckdb::PhysicalPlan& plan, duckdb::PreparedStatementData& data, Order order,
                  std::shared_ptr<ResultQueue> queue)
      : PhysicalResultCollector(plan, data),
        order_(order),
        queue_(std::move(queue)),
        measure_(types) {}

  duckdb::SinkResultType Sink(duckdb::ExecutionContext&, duckdb::DataChunk& chunk,
                              duckdb::OperatorSinkInput& input) const override {
    uint64_t batch = 0;
    if (order_ == Order::kBatches) {
      const auto& partition = input.local_state.partition_info;
      batch = partition.batch_index.GetIndex();
      queue_->Advance(partition.min_batch_index.GetIndex());
    }
    auto& local = input.local_state.Cast<LocalState>();
    if (local.next_row == 0) local.row_bytes = measure_.Variable(chunk);
    while (local.next_row < chunk.size()) {
      const Extent extent = Next(local, chunk.size());
      const auto room = queue_->Reserve(
          batch, extent.bytes, [interrupt = input.interrupt_state] { interrupt.Callback(); });
      if (room == ResultQueue::Room::kNone) return duckdb::SinkResultType::BLOCKED;
      queue_->Push(batch, room, Copy(chunk, local, extent));
      local.next_row += extent.rows;
    }
    local.next_row = 0;
    return duckdb::SinkResultType::NEED_MORE_INPUT;
  }

  duckdb::SinkNextBatchType NextBatch(duckdb::ExecutionContext&,
                                      duckdb::OperatorSinkNextBatchInput& input) const override {
    queue_->Advance(input.local_state.partition_info.min_batch_index.GetIndex());
    return duckdb::SinkNextBatchType::READY;
  }

  duckdb::SinkCombineResultType Combine(duckdb::ExecutionContext&,
                                        duckdb::OperatorSinkCombineInput& input) const override {
    if (order_ == Order::kBatches) {
      queue_->Advance(input.local_state.partition_info.min_batch_index.GetIndex());
    }
    return duckdb::SinkCombineResultType::FINISHED;
  }

  duckdb::SinkFinalizeType Finalize(duckdb::Pipeline&, duckdb::Event&, duckdb::ClientContext&,
                                    duckdb::OperatorSinkFinalizeInput&) const override {
    queue_->Finish();
    return duckdb::SinkFinalizeType::READY;
  }

  duckdb::unique_ptr<duckdb::LocalSinkState> GetLocalSinkState(
      duckdb::ExecutionContext&) const override {
    return duckdb::make_uniq<LocalState>();
  }

  duckdb::unique_ptr<duckdb::GlobalSinkState> GetGlobalSinkState(
      duckdb::ClientContext& context) const override {
    auto state = duckdb::make_uniq<GlobalState>();
    state->properties = context.GetClientProperties();
    return state;
  }

  duckdb::unique_ptr<duckdb::QueryResult> GetResult(duckdb::GlobalSinkState& state) const override {
    return duckdb::make_uniq<duckdb::MaterializedQueryResult>(
        statement_type, properties, names,
        duckdb::make_uniq<duckdb::ColumnDataCollection>(duckdb::Allocator::DefaultAllocator(),
                                                        types),
        state.Cast<GlobalState>().properties);
  }

  duckdb::OperatorPartitionInfo RequiredPartitionInfo() const override {
    return order_ == Order::kBatches ? duckdb::OperatorPartitionInfo::BatchIndex()
                                     : duckdb::OperatorPartitionInfo::NoPartitionInfo();
  }
  bool ParallelSink() const override { return order_ != Order::kOneTask; }
  // As DuckDB's own: this is what keeps the parts of a UNION ALL in order without batches.
  bool SinkOrderDependent() const override { return order_ != Order::kBatches; }

 private:
  struct Extent {
    duckdb::idx_t rows = 0;
    int64_t bytes = 0;
  };

  // The next piece of a chunk of `size` rows.
  Extent Next(const LocalState& local, duckdb::idx_t size) const {
    Extent next;
    for (duckdb::idx_t row = local.next_row; row < size; ++row) {
      const int64_t bytes = measure_.fixed() + (local.row_bytes.empty() ? 0 : local.row_bytes[row]);
      if (next.rows > 0 && next.bytes + bytes > kMaxPieceBytes) break;
      next.rows += 1;
      next.bytes += bytes;
    }
    next.bytes += measure_.vectors() * kVectorBytes;
    return next;
  }

  static ResultPiece Copy(const duckdb::DataChunk& chunk, const LocalState& local,
                          const Extent& extent) {
    ResultPiece piece{.chunk = duckdb::make_uniq<duckdb::DataChunk>(), .bytes = extent.bytes};
    piece.chunk->Initialize(duckdb::Allocator::DefaultAllocator(), chunk.GetTypes(), extent.rows);
    const duckdb::idx_t end = local.next_row + extent.rows;
    chunk.Copy(*piece.chunk, *duckdb::FlatVector::IncrementalSelectionVector(), end,
               local.next_row);
    if (!local.row_bytes.empty()) {
      piece.row_bytes.assign(local.row_bytes.begin() + static_cast<int64_t>(local.next_row),
                             local.row_bytes.begin() + static_cast<int64_t>(end));
    }
    return piece;
  }

  const Order order_;
  const std::shared_ptr<ResultQueue> queue_;
  const RowBytes measure_;
};

}  // namespace

duckdb::unique_ptr<duckdb::PhysicalOperator> CollectInto(std::shared_ptr<ResultQueue> queue,
                                                         duckdb::ClientContext& context,
                                                         duckdb::PreparedStatementData& data) {
  const Order order = OrderOf(context, data.physical_plan->Root());
  return duckdb::make_uniq<ResultCollector>(*data.physical_plan, data, order, std::move(queue));
}

}  // namespace eider::engine
