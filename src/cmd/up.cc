// eider up
#include <spdlog/spdlog.h>

#include <memory>
#include <vector>

#include "base/clock.h"
#include "cmd/command.h"
#include "cmd/coordinator_process.h"
#include "cmd/server_start.h"
#include "cmd/signals.h"
#include "cmd/worker_process.h"
#include "config/load.h"

namespace eider::cmd {
namespace {

constexpr auto kCommand = config::Command::kUp;

std::string Greeting(const CoordinatorProcess& coordinator, int workers) {
  const std::string& url = coordinator.url();
  return "eider up listens on " + url + " (Flight on " + coordinator.flight_location() + ") with " +
         std::to_string(workers) + (workers == 1 ? " worker" : " workers") +
         "\n\n"
         "  eider query \"SELECT 42 AS answer\" --url " +
         url +
         "\n\n"
         "  from eider import Client\n"
         "  client = Client(\"" +
         url +
         "\")\n"
         "  print(client.query(\"SELECT 42 AS answer\").df())\n\n"
         "Ctrl-C stops it.";
}

arrow::Status Serve(config::UpOptions options) {
  const base::SystemClock clock;
  SignalWatch signals;
  ARROW_RETURN_NOT_OK(CoordinatorProcess::CheckPorts(options.coordinator));
  ARROW_ASSIGN_OR_RAISE(const auto key, OpenClusterKey(options.coordinator.listen));
  std::vector<std::unique_ptr<WorkerProcess>> workers;
  for (int i = 1; i <= options.workers; ++i) {
    config::WorkerOptions worker = options.worker;
    worker.cache_dir += "/worker-" + std::to_string(i);
    workers.emplace_back();
    ARROW_ASSIGN_OR_RAISE(workers.back(), WorkerProcess::Start(worker, key, clock, {}));
    options.coordinator.workers.push_back(workers.back()->location());
  }
  ARROW_ASSIGN_OR_RAISE(const auto coordinator,
                        CoordinatorProcess::Start(options.coordinator, key, clock));
  Say(Greeting(*coordinator, options.workers));
  signals.Wait();
  spdlog::info("draining: no new queries, running ones have {} ms",
               options.coordinator.drain_timeout_ms);
  coordinator->Drain(options.coordinator.drain_timeout_ms);
  // What is left of the time has been used: clients that stream by themselves are cut off.
  for (const auto& worker : workers) {
    if (const auto drained = worker->Drain(0); !drained.ok()) {
      spdlog::warn("{}", drained.message());
    }
  }
  spdlog::info("stopped");
  return arrow::Status::OK();
}

}  // namespace

int RunUp(const Invocation& invocation) {
  const auto told =
      config::Read(kCommand, invocation.tokens, invocation.environment, invocation.machine);
  if (!told.ok()) return Refuse(kCommand, told.status());
  auto options = config::MakeUpOptions(*told, invocation.environment, invocation.machine);
  if (!options.ok()) return Refuse(kCommand, options.status());
  BeginServer(options->coordinator.log, "up", told->warnings);
  const auto served = Serve(*std::move(options));
  return served.ok() ? kDone : Refuse(kCommand, served);
}

}  // namespace eider::cmd
