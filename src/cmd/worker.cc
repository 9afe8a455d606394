// eider worker
#include <spdlog/spdlog.h>

#include "base/clock.h"
#include "cmd/command.h"
#include "cmd/server_start.h"
#include "cmd/signals.h"
#include "cmd/worker_process.h"
#include "config/load.h"
#include "config/quantity.h"

namespace eider::cmd {
namespace {

constexpr auto kCommand = config::Command::kWorker;

arrow::Status Serve(const config::WorkerOptions& options) {
  const base::SystemClock clock;
  SignalWatch signals;
  ARROW_ASSIGN_OR_RAISE(const auto key, OpenClusterKey(options.listen));
  ARROW_ASSIGN_OR_RAISE(const auto worker, WorkerProcess::Start(options, key, clock,
                                                                [&signals] { signals.Trigger(); }));
  Say("eider worker " + worker->id() + " listens on " + worker->location());
  spdlog::info("{} slots, {} threads, {} of memory, cache {}", options.slots, options.threads,
               config::FormatBytes(options.memory_limit_bytes), options.cache ? "on" : "off");
  signals.Wait();
  spdlog::info("draining: no new tasks, running ones have {} ms", options.drain_timeout_ms);
  if (const auto drained = worker->Drain(options.drain_timeout_ms); !drained.ok()) {
    spdlog::warn("{}", drained.message());
  }
  spdlog::info("stopped");
  return arrow::Status::OK();
}

}  // namespace

int RunWorker(const Invocation& invocation) {
  const auto told =
      config::Read(kCommand, invocation.tokens, invocation.environment, invocation.machine);
  if (!told.ok()) return Refuse(kCommand, told.status());
  const auto options = config::MakeWorkerOptions(*told, invocation.environment, invocation.machine);
  if (!options.ok()) return Refuse(kCommand, options.status());
  BeginServer(options->log, "worker", told->warnings);
  const auto served = Serve(*options);
  return served.ok() ? kDone : Refuse(kCommand, served);
}

}  // namespace eider::cmd
