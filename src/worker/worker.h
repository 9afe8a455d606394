// The worker: runs tasks in its engine for whoever brings a good ticket, under one coordinator.
#pragma once

#include <arrow/result.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "engine/engine.h"
#include "protocol/cluster_key.h"
#include "protocol/message.h"
#include "worker/admit.h"
#include "worker/attach.h"
#include "worker/engine_keeper.h"
#include "worker/reaper.h"
#include "worker/service.h"
#include "worker/task_list.h"
#include "worker/watchdog.h"

namespace eider::worker {

// Thread-safe. Must outlive its streams and attach streams: stop what serves it first.
class Worker final : public Service {
 public:
  struct Options {
    std::string id;  // stable over restarts
    int slots = 8;   // tasks at a time, at least 1
    // Slots are taken and no task has ended for this long: storage is probed.
    int64_t storage_doubt_ms = 5'000;
    // A client that asks for no batch for this long loses its query and slot; 0: never.
    int64_t stall_timeout_ms = 60'000;
    // Threads that may be stuck in writes to such clients; past it tickets are refused.
    int max_blocked_streams = 256;
    std::string version;
    protocol::S3Prices prices;  // for the estimate of what a task cost
    // A small read of the storage, run by a thread of its own until it succeeds, and again when
    // storage failed a task or seems to hold them up; while it fails the worker reports that it is
    // not ready. Empty: nothing to read, ready.
    std::function<arrow::Status()> probe;
    // Called at each task's end, before the coordinator hears of it, from whichever thread ended
    // it.
    std::function<void(const protocol::Finished&)> on_task_end;
    // Called once, from the thread of the command, when a coordinator orders a drain.
    std::function<void()> on_drain;
  };

  // Opens the engine; `open_engine` is called again when that one fails for good. `clock` must
  // outlive the worker.
  static arrow::Result<std::unique_ptr<Worker>> Start(Options options,
                                                      EngineKeeper::Open open_engine,
                                                      protocol::ClusterKey key,
                                                      const base::Clock& clock);
  ~Worker() override;

  arrow::Result<std::unique_ptr<protocol::BatchStream>> Run(std::string_view ticket,
                                                            Client client) override;
  arrow::Status Attach(protocol::Channel& channel) override;
  arrow::Status Execute(std::string_view command) override;

  // Takes no new task and waits for the running ones; those that are not over after `timeout_ms`
  // are interrupted (WORKER_LOST to their clients, who may come again). Errors: DEADLINE_EXCEEDED
  // when one still runs 5 s after that.
  arrow::Status Drain(int64_t timeout_ms);

  // Ends the attach streams, so that what serves them can stop.
  void EndAttachments() { attachments_.Stop(); }
  // Whether a coordinator is attached: while none is, the worker announces itself.
  bool attached() const { return attachments_.attached(); }

  const std::string& boot_id() const { return boot_id_; }
  // Empty when ready.
  std::string NotReadyWhy() const { return keeper_.NotReadyWhy(); }

 private:
  Worker(Options options, std::shared_ptr<engine::Engine> engine, EngineKeeper::Open open_engine,
         protocol::ClusterKey key, const base::Clock& clock);

  arrow::Status CheckBlockedStreams() const;
  std::shared_ptr<RunningTask> Begin(Admitted admitted, Client client);
  void OnEnd(protocol::Finished finished, SlotPermit permit);
  void CancelTask(const protocol::Command& command);
  arrow::Status ClearCache();
  arrow::Status Invalidate(const protocol::Command& command);
  protocol::Hello MakeHello() const;
  protocol::Heartbeat MakeHeartbeat();

  const Options options_;
  const std::string boot_id_;
  const base::Clock& clock_;
  const int threads_;
  const int64_t memory_limit_bytes_;
  // Reads of all tasks that have ended.
  std::atomic<int64_t> cache_hits_ = 0;
  std::atomic<int64_t> cache_misses_ = 0;
  Admission admission_;
  EngineKeeper keeper_;
  Attachments attachments_;
  TaskList tasks_;
  Reaper reaper_;  // waits for what ends, which uses the rest
  Watchdog watchdog_;
};

}  // namespace eider::worker
