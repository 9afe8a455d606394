// An engine for tests: its "SQL" says what happens.
#pragma once

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/mutex.h"
#include "engine/engine.h"

namespace eider::worker {

// What the executions of one engine share: whether they block, and who is inside.
class FakeGate {
 public:
  // Blocks until Interrupt.
  void Block() {
    base::MutexLock lock(mutex_);
    ++inside_;
    changed_.NotifyAll();
    while (!interrupted_) changed_.Wait(mutex_);
    --inside_;
  }
  void Interrupt() {
    base::MutexLock lock(mutex_);
    interrupted_ = true;
    changed_.NotifyAll();
  }
  // Blocks until Open, whatever is interrupted.
  void BlockDeaf() {
    base::MutexLock lock(mutex_);
    ++inside_;
    changed_.NotifyAll();
    while (!open_) changed_.Wait(mutex_);
    --inside_;
  }
  void Open() {
    base::MutexLock lock(mutex_);
    open_ = true;
    changed_.NotifyAll();
  }
  void WaitUntilInside(int count) {
    base::MutexLock lock(mutex_);
    while (inside_ < count) changed_.Wait(mutex_);
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  int inside_ EIDER_GUARDED_BY(mutex_) = 0;
  bool interrupted_ EIDER_GUARDED_BY(mutex_) = false;
  bool open_ EIDER_GUARDED_BY(mutex_) = false;
};

// Gives `batches` batches of one row, then what `then` says.
class FakeExecution final : public engine::Execution {
 public:
  enum class Then { kEnd, kFail, kBlock, kIgnore };

  FakeExecution(int batches, Then then, std::shared_ptr<FakeGate> gate,
                std::vector<std::string> written = {})
      : left_(batches), then_(then), gate_(std::move(gate)), written_(std::move(written)) {}

  std::shared_ptr<arrow::Schema> schema() const override {
    return arrow::schema({arrow::field("n", arrow::int64())});
  }

  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    if (left_ > 0) {
      arrow::Int64Builder builder;
      ARROW_RETURN_NOT_OK(builder.Append(left_--));
      ARROW_ASSIGN_OR_RAISE(auto column, builder.Finish());
      ++batches_;
      return arrow::RecordBatch::Make(schema(), 1, {column});
    }
    if (then_ == Then::kEnd) return nullptr;
    if (then_ == Then::kFail) {
      return base::MakeError(base::ErrorCode::kStorageUnavailable, "S3 answered 503");
    }
    if (then_ == Then::kIgnore) {
      gate_->BlockDeaf();
    } else {
      gate_->Block();
    }
    return base::MakeError(base::ErrorCode::kCancelled, "interrupted");
  }

  void Cancel() override { gate_->Interrupt(); }

  protocol::Figures figures() const override {
    protocol::Figures figures;
    figures.rows = figures.batches = batches_;
    figures.s3_requests = 2;
    figures.cache_hits = 3;
    figures.cache_misses = 1;
    return figures;
  }
  std::vector<std::string> written() const override { return written_; }

 private:
  int left_;
  const Then then_;
  const std::shared_ptr<FakeGate> gate_;
  const std::vector<std::string> written_;
  std::atomic<int64_t> batches_ = 0;
};

// Statements: "give N", "write URL" (gives one batch), "give N then fail", "give N then block",
// "give N then ignore" (blocks, and does not look at interrupts), "bind and block", "invalid",
// "fatal" (fails, and the engine with it).
class FakeEngine final : public engine::Engine {
 public:
  explicit FakeEngine(std::shared_ptr<FakeGate> gate) : gate_(std::move(gate)) {}

  arrow::Result<std::unique_ptr<engine::Execution>> Execute(
      const engine::Statement& statement) override {
    const std::string& sql = statement.sql;
    if (statement.on_interruptible) {
      statement.on_interruptible([gate = gate_] { gate->Interrupt(); });
    }
    if (sql == "bind and block") {
      gate_->Block();
      return base::MakeError(base::ErrorCode::kCancelled, "interrupted");
    }
    if (sql == "fatal") {
      fatal_ = true;
      return base::MakeError(base::ErrorCode::kInternal, "the instance is FATAL");
    }
    deadline = statement.deadline;
    cache_mode = statement.cache_mode;
    if (sql.starts_with("write ")) {
      return std::make_unique<FakeExecution>(1, FakeExecution::Then::kEnd, gate_,
                                             std::vector<std::string>{sql.substr(6)});
    }
    int batches = 0;
    if (!sql.starts_with("give ") ||
        std::from_chars(sql.data() + 5, sql.data() + sql.size(), batches).ec != std::errc()) {
      return base::MakeError(base::ErrorCode::kInvalidQuery, "no such statement: " + sql);
    }
    auto then = FakeExecution::Then::kEnd;
    if (sql.ends_with("then fail")) then = FakeExecution::Then::kFail;
    if (sql.ends_with("then block")) then = FakeExecution::Then::kBlock;
    if (sql.ends_with("then ignore")) then = FakeExecution::Then::kIgnore;
    return std::make_unique<FakeExecution>(batches, then, gate_);
  }

  arrow::Status ClearCache() override {
    ++cleared;
    return arrow::Status::OK();
  }
  void Invalidate(const std::vector<std::string>& urls) override {
    base::MutexLock lock(mutex_);
    invalidated_.insert(invalidated_.end(), urls.begin(), urls.end());
  }
  std::vector<std::string> invalidated() const {
    base::MutexLock lock(mutex_);
    return invalidated_;
  }
  protocol::CacheFigures cache_figures() const override {
    return {.budget_bytes = 1'000, .used_bytes = 10};
  }
  bool fatal() const override { return fatal_; }
  int64_t memory_used_bytes() const override { return 0; }
  int64_t cache_bytes() const override { return 0; }
  int threads() const override { return 1; }
  int64_t memory_limit_bytes() const override { return 1 << 30; }

  std::atomic<int> cleared = 0;
  // Of the last statement.
  std::atomic<std::chrono::steady_clock::time_point> deadline;
  std::atomic<protocol::CacheMode> cache_mode;

 private:
  const std::shared_ptr<FakeGate> gate_;
  std::atomic<bool> fatal_ = false;
  mutable base::Mutex mutex_;
  std::vector<std::string> invalidated_ EIDER_GUARDED_BY(mutex_);
};

}  // namespace eider::worker
