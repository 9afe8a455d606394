// For tests: a worker without Flight and DuckDB, but with the real attach session and tickets.
#pragma once

#include <arrow/api.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/mutex.h"
#include "coordinator/worker_client.h"
#include "protocol/channel_pair.h"
#include "protocol/handshake.h"

namespace eider::coordinator {

// What a fake worker does with the tickets it gets, one script each, in order; the last repeats.
struct Script {
  int batches = 1;      // of one row each, then the end
  arrow::Status start;  // what Start answers
  arrow::Status after;  // instead of the end, when not OK
  bool hang = false;    // after the batches, block until cancelled
  bool report = true;   // tell Started and Finished on the attach stream
  bool vanish = false;  // tell that it has finished, but nothing more comes until cancelled
  std::vector<std::string> written = {};  // what Finished says
};

std::shared_ptr<arrow::RecordBatch> OneRow(int64_t value);

// Thread-safe. Attaches to one coordinator at a time; after the stream's end only where it was
// refused, or ended by Detach().
class FakeWorker final : public WorkerClient {
 public:
  FakeWorker(std::string id, protocol::ClusterKey key, int slots = 2)
      : id_(std::move(id)), key_(std::move(key)), slots_(slots) {}
  ~FakeWorker() override { Kill(); }

  arrow::Result<std::unique_ptr<protocol::Channel>> Attach() override;
  arrow::Result<std::unique_ptr<RemoteStream>> Run(const std::string& ticket) override;
  arrow::Status Send(const std::string& command, int64_t timeout_ms) override;

  void SetScripts(std::vector<Script> scripts);
  // Attach streams of an epoch up to this one are refused, with `attached` as it says.
  void SetEpoch(protocol::Superseded seen);
  // Ends its attach stream; the next one is served.
  void Detach();
  // How often it was attached to, and the epoch of the last time.
  std::pair<int, int64_t> attaches() const;
  // Breaks its attach stream and every result, as a dying process does; refuses to come back.
  void Kill();
  void Tell(const protocol::Message& message);
  std::vector<protocol::Ticket> tickets() const;
  // Blocks until the coordinator has sent a command.
  protocol::Command WaitForCommand();
  // The commands that it got and nobody has waited for.
  size_t commands() const;
  // From now on Send blocks before it answers, until ReleaseCommands or Kill.
  void HoldCommands();
  void ReleaseCommands();
  // The next `count` commands get an error.
  void RefuseCommands(int count);

 private:
  friend class FakeStream;
  void Serve();

  const std::string id_;
  const protocol::ClusterKey key_;
  const int slots_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  bool dead_ EIDER_GUARDED_BY(mutex_) = false;
  protocol::Superseded seen_ EIDER_GUARDED_BY(mutex_) = {.epoch = -1};
  std::pair<int, int64_t> attaches_ EIDER_GUARDED_BY(mutex_);
  std::deque<Script> scripts_ EIDER_GUARDED_BY(mutex_);
  std::vector<protocol::Ticket> tickets_ EIDER_GUARDED_BY(mutex_);
  std::deque<protocol::Command> commands_ EIDER_GUARDED_BY(mutex_);
  bool held_ EIDER_GUARDED_BY(mutex_) = false;
  int refused_ EIDER_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<protocol::Channel> channel_ EIDER_GUARDED_BY(mutex_);
  std::unique_ptr<protocol::Session> session_ EIDER_GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<std::function<void()>>> cancels_ EIDER_GUARDED_BY(mutex_);
  bool may_return_ EIDER_GUARDED_BY(mutex_) = false;
  std::thread server_;
};

}  // namespace eider::coordinator
