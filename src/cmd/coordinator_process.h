// A coordinator with its two front doors: what `eider coordinator` and `eider up` run.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "config/options.h"
#include "coordinator/coordinator.h"
#include "protocol/cluster_key.h"
#include "rpc/flight/coordinator_server.h"
#include "rpc/http/server.h"

namespace eider::cmd {

class CoordinatorProcess {
 public:
  // OK when both ports are free: to be asked before workers are started.
  static arrow::Status CheckPorts(const config::CoordinatorOptions& options);
  // Attaches to options.workers and starts serving. `clock` must outlive it.
  static arrow::Result<std::unique_ptr<CoordinatorProcess>> Start(
      const config::CoordinatorOptions& options, const protocol::ClusterKey& key,
      const base::Clock& clock);
  // Stops what still runs.
  ~CoordinatorProcess();

  // "http://127.0.0.1:5000"
  std::string url() const { return url_; }
  // "grpc://127.0.0.1:5001"
  std::string flight_location() const { return flight_location_; }

  // Takes no new query; running ones finish within `timeout_ms` or are cancelled.
  void Drain(int64_t timeout_ms);

 private:
  CoordinatorProcess() = default;

  // From the bottom up: each uses those above it.
  std::unique_ptr<coordinator::Coordinator> coordinator_;
  std::unique_ptr<rpc::HttpServer> http_;
  std::unique_ptr<rpc::flight::CoordinatorServer> flight_;
  std::string url_;
  std::string flight_location_;
};

}  // namespace eider::cmd
