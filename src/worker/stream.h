// A running task as the BatchStream that its client reads.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "protocol/channel.h"
#include "worker/running_task.h"

namespace eider::worker {

// Destroying it before its end ends the task as CANCELLED, then calls `on_close`. Thread-safety as
// BatchStream's.
class TaskStream final : public protocol::BatchStream {
 public:
  explicit TaskStream(std::shared_ptr<RunningTask> task, std::function<void()> on_close = {})
      : task_(std::move(task)), on_close_(std::move(on_close)) {}
  ~TaskStream() override {
    task_->Abandon();
    if (on_close_) on_close_();
  }

  // Starts the task; schema() and Next() need it to have succeeded.
  arrow::Status Execute() { return task_->Execute(); }

  std::shared_ptr<arrow::Schema> schema() const override { return task_->schema(); }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override { return task_->Next(); }
  void Cancel() override;

 private:
  const std::shared_ptr<RunningTask> task_;
  const std::function<void()> on_close_;
};

}  // namespace eider::worker
