// A worker with its folder, engine and Flight door: what `eider worker` runs one of, and `eider up`
// several.
#pragma once

#include <arrow/result.h>

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "cmd/announcer.h"
#include "cmd/worker_home.h"
#include "config/options.h"
#include "protocol/cluster_key.h"
#include "rpc/flight/worker_server.h"
#include "worker/worker.h"

namespace eider::cmd {

class WorkerProcess {
 public:
  // Starts serving, and announcing where options.coordinator is set. `on_drain` is called, from
  // another thread, when a coordinator orders a drain. `clock` must outlive the worker. Errors:
  // what is wrong with the folder, the port or the engine, before anything is left running.
  static arrow::Result<std::unique_ptr<WorkerProcess>> Start(const config::WorkerOptions& options,
                                                             const protocol::ClusterKey& key,
                                                             const base::Clock& clock,
                                                             std::function<void()> on_drain);
  // Stops what still runs.
  ~WorkerProcess();

  const std::string& id() const { return home_->id(); }
  // "grpc://host:port" by which others reach it.
  const std::string& location() const { return location_; }

  // Takes no new task; running ones finish within `timeout_ms` or are interrupted.
  arrow::Status Drain(int64_t timeout_ms) { return worker_->Drain(timeout_ms); }

 private:
  WorkerProcess() = default;

  // From the bottom up: each uses those above it.
  std::unique_ptr<WorkerHome> home_;
  std::unique_ptr<worker::Worker> worker_;
  std::unique_ptr<rpc::flight::WorkerServer> server_;
  std::unique_ptr<Announcer> announcer_;
  std::string location_;
};

}  // namespace eider::cmd
