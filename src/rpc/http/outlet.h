// Where a relayed result waits between the relay's thread and the connection's: the bounded bridge
// from blocking writes to the coroutine that sends them.
//
// The relay's thread calls the ResultSink half; the connection polls the other half whenever it is
// woken. Both halves are thread-safe. After Abandon() nothing calls the wake function any more, so
// what it refers to may go away then; a relay that still writes gets CANCELLED.
#pragma once

#include <arrow/buffer.h>
#include <arrow/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "coordinator/service.h"
#include "rpc/http/base64.h"

namespace eider::rpc {

class Outlet : public coordinator::ResultSink {
 public:
  // Called, from any thread and under the outlet's lock, when a poll has something new to see. It
  // must not block nor call back.
  using Wake = std::function<void()>;
  // `figures_wait_ms`: how long the end waits for what the query cost.
  Outlet(Wake wake, int64_t figures_wait_ms)
      : figures_wait_ms_(figures_wait_ms), wake_(std::move(wake)) {}

  arrow::Status Begin(const coordinator::ClaimInfo& claim) override;
  int64_t figures_wait_ms() const override;
  void Report(const protocol::Figures& figures) override;
  void End() override;
  void Fail(const arrow::Status& why) override;

  // The client is gone or has its answer: frees a blocked Write, drops what waits.
  void Abandon();
  std::optional<coordinator::ClaimInfo> claim() const;
  std::optional<protocol::Figures> figures() const;
  bool failed() const;

 protected:
  void WakeUp() EIDER_REQUIRES(mutex_);
  virtual void Drop() EIDER_REQUIRES(mutex_) = 0;
  bool over() const EIDER_REQUIRES(mutex_) { return ended_ || failure_ || abandoned_; }
  // What a Write that comes too late answers.
  static arrow::Status Gone();

  mutable base::Mutex mutex_;
  base::CondVar room_;
  bool ended_ EIDER_GUARDED_BY(mutex_) = false;
  bool abandoned_ EIDER_GUARDED_BY(mutex_) = false;
  std::optional<arrow::Status> failure_ EIDER_GUARDED_BY(mutex_);

 private:
  const int64_t figures_wait_ms_;
  Wake wake_ EIDER_GUARDED_BY(mutex_);
  std::optional<coordinator::ClaimInfo> claim_ EIDER_GUARDED_BY(mutex_);
  std::optional<protocol::Figures> figures_ EIDER_GUARDED_BY(mutex_);
};

// For the streaming form: a few pieces wait, then Write blocks.
class StreamOutlet final : public Outlet {
 public:
  struct Limits {
    int64_t max_bytes = 8 << 20;
    int max_large_pieces = 2;
    int max_pieces = 64;  // small ones included
  };
  static constexpr int64_t kLargePieceBytes = 64 << 10;

  StreamOutlet(Wake wake, Limits limits, int64_t figures_wait_ms = 0)
      : Outlet(std::move(wake), figures_wait_ms), limits_(limits) {}

  arrow::Status Write(std::shared_ptr<arrow::Buffer> bytes) override;

  struct View {
    int64_t bytes = 0;  // waiting to be taken
    bool ended = false;
    std::optional<arrow::Status> failure;
  };
  View Peek();
  // All that waits, in order; makes room for more.
  std::vector<std::shared_ptr<arrow::Buffer>> Take();

 private:
  bool HasRoomFor(int64_t bytes) const EIDER_REQUIRES(mutex_);
  void Drop() override EIDER_REQUIRES(mutex_);

  const Limits limits_;
  std::vector<std::shared_ptr<arrow::Buffer>> pieces_ EIDER_GUARDED_BY(mutex_);
  int64_t bytes_ EIDER_GUARDED_BY(mutex_) = 0;
  int large_pieces_ EIDER_GUARDED_BY(mutex_) = 0;
};

// For the buffered forms: the whole result as one string, base64 or raw. A result past `max_bytes`
// fails with RESOURCE_EXHAUSTED that names the streaming form.
class WholeOutlet final : public Outlet {
 public:
  WholeOutlet(Wake wake, bool base64, int64_t max_bytes, int64_t figures_wait_ms = 0)
      : Outlet(std::move(wake), figures_wait_ms),
        base64_(base64),
        max_bytes_(max_bytes),
        encoder_(body_) {}

  // Encodes on the caller's thread, which is the relay's.
  arrow::Status Write(std::shared_ptr<arrow::Buffer> bytes) override;
  void End() override;

  struct View {
    bool ended = false;
    bool too_large = false;  // failed by its size: the query still runs
    std::optional<arrow::Status> failure;
  };
  View Peek() const;
  // REQUIRES: ended.
  std::string TakeBody();

 private:
  void Drop() override EIDER_REQUIRES(mutex_);

  const bool base64_;
  const int64_t max_bytes_;
  std::string body_ EIDER_GUARDED_BY(mutex_);
  Base64Encoder encoder_ EIDER_GUARDED_BY(mutex_);
  int64_t bytes_ EIDER_GUARDED_BY(mutex_) = 0;
  bool too_large_ EIDER_GUARDED_BY(mutex_) = false;
};

}  // namespace eider::rpc
