// eider coordinator
#include <malloc.h>
#include <spdlog/spdlog.h>

#include <cstdlib>

#include "base/clock.h"
#include "cmd/command.h"
#include "cmd/coordinator_process.h"
#include "cmd/server_start.h"
#include "cmd/signals.h"
#include "config/load.h"

namespace eider::cmd {
namespace {

constexpr auto kCommand = config::Command::kCoordinator;

// Results pass through in pieces of some MiB, on many threads. Allocators that keep freed pieces
// for each thread made the process grow past what is under way at one time; this gives them back.
void KeepLittleMemory() {
  constexpr int kArenas = 1;
  constexpr int kMapFromBytes = 1 << 20;
  mallopt(M_ARENA_MAX, kArenas);
  mallopt(M_MMAP_THRESHOLD, kMapFromBytes);
  mallopt(M_TRIM_THRESHOLD, kMapFromBytes);
  setenv("ARROW_DEFAULT_MEMORY_POOL", "system", /*overwrite=*/0);
}

arrow::Status Serve(const config::CoordinatorOptions& options) {
  KeepLittleMemory();  // before the first thread and Arrow's first allocation
  const base::SystemClock clock;
  SignalWatch signals;
  ARROW_ASSIGN_OR_RAISE(const auto key, OpenClusterKey(options.listen));
  ARROW_ASSIGN_OR_RAISE(const auto coordinator, CoordinatorProcess::Start(options, key, clock));
  Say("eider coordinator listens on " + coordinator->url() + " (Flight on " +
      coordinator->flight_location() + ")");
  signals.Wait();
  spdlog::info("draining: no new queries, running ones have {} ms", options.drain_timeout_ms);
  coordinator->Drain(options.drain_timeout_ms);
  spdlog::info("stopped");
  return arrow::Status::OK();
}

}  // namespace

int RunCoordinator(const Invocation& invocation) {
  const auto told =
      config::Read(kCommand, invocation.tokens, invocation.environment, invocation.machine);
  if (!told.ok()) return Refuse(kCommand, told.status());
  const auto options =
      config::MakeCoordinatorOptions(*told, invocation.environment, invocation.machine);
  if (!options.ok()) return Refuse(kCommand, options.status());
  BeginServer(options->log, "coordinator", told->warnings);
  const auto served = Serve(*options);
  return served.ok() ? kDone : Refuse(kCommand, served);
}

}  // namespace eider::cmd
