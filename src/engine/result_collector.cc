#include "engine/result_collector.h"

#include <cstdint>
#include <numeric>
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

// What a chunk of however few rows takes, of each column: its vector, and where its strings lie.
constexpr int64_t kColumnBytes = 2 << 10;

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

ResultPiece CopyOf(duckdb::DataChunk& chunk, std::vector<int64_t> row_bytes, int64_t bytes) {
  ResultPiece piece{duckdb::make_uniq<duckdb::DataChunk>(), std::move(row_bytes), bytes};
  piece.chunk->Initialize(duckdb::Allocator::DefaultAllocator(), chunk.GetTypes(), chunk.size());
  chunk.Copy(*piece.chunk, 0);
  return piece;
}

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
    std::vector<int64_t> row_bytes = measure_.Variable(chunk);
    const int64_t bytes =
        std::accumulate(row_bytes.begin(), row_bytes.end(),
                        static_cast<int64_t>(chunk.size()) * measure_.fixed() +
                            static_cast<int64_t>(chunk.ColumnCount()) * kColumnBytes);
    const auto room = queue_->Reserve(
        batch, bytes, [interrupt = input.interrupt_state] { interrupt.Callback(); });
    if (room == ResultQueue::Room::kNone) return duckdb::SinkResultType::BLOCKED;
    queue_->Push(batch, room, CopyOf(chunk, std::move(row_bytes), bytes));
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

  duckdb::unique_ptr<duckdb::GlobalSinkState> GetGlobalSinkState(
      duckdb::ClientContext& context) const override {
    auto state = duckdb::make_uniq<State>();
    state->properties = context.GetClientProperties();
    return state;
  }

  duckdb::unique_ptr<duckdb::QueryResult> GetResult(duckdb::GlobalSinkState& state) const override {
    return duckdb::make_uniq<duckdb::MaterializedQueryResult>(
        statement_type, properties, names,
        duckdb::make_uniq<duckdb::ColumnDataCollection>(duckdb::Allocator::DefaultAllocator(),
                                                        types),
        state.Cast<State>().properties);
  }

  duckdb::OperatorPartitionInfo RequiredPartitionInfo() const override {
    return order_ == Order::kBatches ? duckdb::OperatorPartitionInfo::BatchIndex()
                                     : duckdb::OperatorPartitionInfo::NoPartitionInfo();
  }
  bool ParallelSink() const override { return order_ != Order::kOneTask; }
  // As DuckDB's own: this is what keeps the parts of a UNION ALL in order without batches.
  bool SinkOrderDependent() const override { return order_ != Order::kBatches; }

 private:
  struct State final : duckdb::GlobalSinkState {
    duckdb::ClientProperties properties;
  };

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
