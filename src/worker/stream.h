// A running task as the BatchStream that its client reads.
#pragma once

#include <memory>
#include <utility>

#include "protocol/channel.h"
#include "worker/running_task.h"

namespace eider::worker {

// Destroying it before its end ends the task as CANCELLED. Thread-safety as BatchStream's.
class TaskStream final : public protocol::BatchStream {
 public:
  explicit TaskStream(std::shared_ptr<RunningTask> task) : task_(std::move(task)) {}
  ~TaskStream() override { task_->Abandon(); }

  // Starts the task; schema() and Next() need it to have succeeded.
  arrow::Status Execute() { return task_->Execute(); }

  std::shared_ptr<arrow::Schema> schema() const override { return task_->schema(); }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override { return task_->Next(); }
  void Cancel() override;

 private:
  const std::shared_ptr<RunningTask> task_;
};

}  // namespace eider::worker
