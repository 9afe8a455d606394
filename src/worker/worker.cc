#include "worker/worker.h"

#include <string>
#include <utility>

#include "base/error.h"
#include "base/random.h"
#include "config/limits.h"
#include "worker/stream.h"
#include "worker/written.h"

namespace eider::worker {
namespace {

constexpr int kBootIdBytes = 8;

}  // namespace

arrow::Result<std::unique_ptr<Worker>> Worker::Start(Options options,
                                                     EngineKeeper::Open open_engine,
                                                     protocol::ClusterKey key,
                                                     const base::Clock& clock) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<engine::Engine> engine, open_engine());
  return std::unique_ptr<Worker>(new Worker(std::move(options), std::move(engine),
                                            std::move(open_engine), std::move(key), clock));
}

Worker::Worker(Options options, std::shared_ptr<engine::Engine> engine,
               EngineKeeper::Open open_engine, protocol::ClusterKey key, const base::Clock& clock)
    : options_(std::move(options)),
      boot_id_(base::RandomHex(kBootIdBytes)),
      clock_(clock),
      threads_(engine->threads()),
      memory_limit_bytes_(engine->memory_limit_bytes()),
      admission_(options_.id, boot_id_, options_.slots, key, clock),
      keeper_(std::move(engine), std::move(open_engine), options_.probe,
              std::chrono::milliseconds(options_.storage_doubt_ms), admission_),
      attachments_(
          {.worker_id = options_.id}, std::move(key), [this] { return MakeHello(); },
          [this] { return MakeHeartbeat(); }),
      watchdog_(tasks_) {}

Worker::~Worker() { attachments_.Stop(); }

arrow::Result<std::unique_ptr<protocol::BatchStream>> Worker::Run(std::string_view ticket,
                                                                  Client client) {
  ARROW_RETURN_NOT_OK(CheckBlockedStreams());
  ARROW_ASSIGN_OR_RAISE(Admitted admitted, admission_.Admit(ticket));
  // From here on the stream's destruction ends the task, whatever happens.
  const auto task = Begin(std::move(admitted), std::move(client));
  auto stream = std::make_unique<TaskStream>(
      task, [this, closed = task.get()] { tasks_.NoteClosed(closed); });
  ARROW_RETURN_NOT_OK(stream->Execute());
  return stream;
}

arrow::Status Worker::CheckBlockedStreams() const {
  const int blocked = tasks_.BlockedStreams();
  if (blocked < options_.max_blocked_streams) return arrow::Status::OK();
  return base::MakeError(base::ErrorInfo{
      .code = base::ErrorCode::kOverloaded,
      .message = "worker " + options_.id + " has " + std::to_string(blocked) +
                 " threads in writes to clients that do not read; no more are let in",
      .retryable = true,
      .retry_after_ms = 1'000});
}

std::shared_ptr<RunningTask> Worker::Begin(Admitted admitted, Client client) {
  const RunningTask::Limits limits{.timeout_ms = admitted.ticket.timeout_ms,
                                   .stall_timeout_ms = options_.stall_timeout_ms,
                                   .blocked_after_ms = config::kBlockedAfterMs,
                                   .blocked_grace_ms = config::kBlockedGraceMs};
  auto task = std::make_shared<RunningTask>(
      std::move(admitted), keeper_.engine(), limits, std::move(client), clock_,
      [this](const protocol::Finished& finished, SlotPermit permit) {
        OnEnd(finished, std::move(permit));
      },
      [this](std::function<void()> end) { reaper_.Run(std::move(end)); });
  tasks_.Add(task);
  attachments_.Emit(protocol::Started{task->attempt()});
  return task;
}

// The slot is free before the coordinator hears of it, so that its next ticket finds it so.
void Worker::OnEnd(protocol::Finished finished, SlotPermit permit) {
  finished.figures.cost_nanousd = protocol::CostNanoUsd(finished.figures, options_.prices);
  finished.written = Shorten(std::move(finished.written), config::kMaxInvalidatedUrls);
  cache_hits_ += finished.figures.cache_hits;
  cache_misses_ += finished.figures.cache_misses;
  if (options_.on_task_end) options_.on_task_end(finished);
  tasks_.NoteEnd(finished.attempt);
  keeper_.NoteTaskEnd(finished.error &&
                      finished.error->code == base::ErrorCode::kStorageUnavailable);
  permit.Release();
  attachments_.Emit(std::move(finished));
}

arrow::Status Worker::Attach(protocol::Channel& channel) { return attachments_.Serve(channel); }

protocol::Hello Worker::MakeHello() const {
  return {.worker_id = options_.id,
          .boot_id = boot_id_,
          .version = options_.version,
          .clock_ms = clock_.MonotonicMs(),
          .slots = options_.slots,
          .threads = threads_,
          .memory_limit_bytes = memory_limit_bytes_,
          .running = tasks_.Attempts()};
}

protocol::Heartbeat Worker::MakeHeartbeat() {
  keeper_.CheckProgress();
  const std::shared_ptr<engine::Engine> engine = keeper_.engine();
  const std::string not_ready_why = keeper_.NotReadyWhy();
  protocol::CacheFigures cache = engine ? engine->cache_figures() : protocol::CacheFigures{};
  cache.hits = cache_hits_;
  cache.misses = cache_misses_;
  return {.clock_ms = clock_.MonotonicMs(),
          .running = admission_.occupied(),
          .ready = not_ready_why.empty(),
          .not_ready_why = not_ready_why,
          .draining = admission_.draining(),
          .memory_used_bytes = engine ? engine->memory_used_bytes() : 0,
          .cache_bytes = engine ? engine->cache_bytes() : 0,
          .stopping = tasks_.Stopping(),
          .blocked_streams = tasks_.BlockedStreams(),
          .cache = std::move(cache)};
}

}  // namespace eider::worker
