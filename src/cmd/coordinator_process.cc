#include "cmd/coordinator_process.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "cmd/address.h"
#include "cmd/event_log.h"
#include "cmd/logging.h"
#include "config/limits.h"
#include "config/quantity.h"
#include "rpc/flight/worker_client.h"

namespace eider::cmd {
namespace {

void Log(bool warning, const std::string& line) {
  spdlog::log(warning ? spdlog::level::warn : spdlog::level::info, "{}", line);
}

coordinator::Coordinator::Options MakeOptions(const config::CoordinatorOptions& options) {
  coordinator::Coordinator::Options made;
  made.workers = options.workers;
  made.schedule.max_waiting = options.max_waiting;
  made.schedule.max_wait_ms = options.max_wait_ms;
  made.default_timeout_ms = options.default_timeout_ms;
  made.schedule.stolen_cache = options.stolen_cache;
  made.schedule.replicas = options.replicas;
  made.schedule.load_factor = options.load_factor;
  made.schedule.stealing = options.stealing;
  if (options.max_steal_after_ms >= 0) {
    made.schedule.max_steal_after_ms = options.max_steal_after_ms;
    made.schedule.steal_after_ms =
        std::min(made.schedule.steal_after_ms, options.max_steal_after_ms);
  }
  made.notices = {.tries = config::kInvalidateTries,
                  .wait_ms = config::kInvalidateWaitMs,
                  .max_owed = static_cast<size_t>(config::kMaxOwedUrls)};
  made.log = Log;
  made.on_query_end = [](const coordinator::QueryRecord& record) {
    LogEvent("query ended", QueryEndFields(record));
  };
  return made;
}

rpc::HttpServer::Options MakeHttpOptions(const config::CoordinatorOptions& options,
                                         metrics::Registry& metrics) {
  rpc::HttpServer::Options made;
  made.bind = options.listen.bind;
  made.port = options.listen.port;
  made.max_body_bytes = config::kMaxBodyBytes;
  made.max_sql_bytes = config::kMaxSqlBytes;
  made.max_json_result_bytes = options.max_json_result_bytes;
  made.stall_timeout_ms = options.stall_timeout_ms;
  made.on_answer = [&metrics](std::string_view call, int status, int64_t took_us) {
    metrics.HttpAnswered(call, status, took_us);
  };
  return made;
}

}  // namespace

arrow::Status CoordinatorProcess::CheckPorts(const config::CoordinatorOptions& options) {
  ARROW_RETURN_NOT_OK(CheckPortFree(options.listen.bind, options.listen.port, "--port"));
  return CheckPortFree(options.listen.bind, options.flight_port, "--flight-port");
}

arrow::Result<std::unique_ptr<CoordinatorProcess>> CoordinatorProcess::Start(
    const config::CoordinatorOptions& options, const protocol::ClusterKey& key,
    const base::Clock& clock) {
  ARROW_RETURN_NOT_OK(CheckPorts(options));
  const std::string& bind = options.listen.bind;
  if (!config::IsLoopback(bind)) {
    spdlog::warn(
        "anyone who can reach {} may query and read what the workers can read: clients "
        "are not asked who they are",
        config::FormatHostPort(bind, options.listen.port));
  }
  std::unique_ptr<CoordinatorProcess> process(new CoordinatorProcess());
  ARROW_ASSIGN_OR_RAISE(
      process->coordinator_,
      coordinator::Coordinator::Start(MakeOptions(options), rpc::flight::MakeWorkerClientFactory(),
                                      key, clock));
  ARROW_ASSIGN_OR_RAISE(
      process->http_,
      rpc::HttpServer::Start(*process->coordinator_,
                             MakeHttpOptions(options, process->coordinator_->metrics())));
  ARROW_ASSIGN_OR_RAISE(process->flight_, rpc::flight::CoordinatorServer::Start(
                                              *process->coordinator_, bind, options.flight_port));
  process->url_ = LocalUrl(bind, process->http_->port());
  process->flight_location_ = WorkerLocation("", bind, process->flight_->port());
  return process;
}

void CoordinatorProcess::Drain(int64_t timeout_ms) {
  const auto began = std::chrono::steady_clock::now();
  const bool ended = coordinator_->Drain(timeout_ms);
  const auto took = std::chrono::steady_clock::now() - began;
  const int64_t took_ms = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
  // A query has ended when its last bytes wait to be sent: its client is to get them.
  if (!ended || !http_->Drain(std::max<int64_t>(0, timeout_ms - took_ms))) {
    spdlog::warn("some queries did not end within --drain-timeout and are cancelled");
  }
}

CoordinatorProcess::~CoordinatorProcess() {
  // HTTP first, which frees the relays that wait for a slow client; Flight last, whose calls wait
  // for claims that the coordinator's stop rejects.
  if (http_ != nullptr) http_->Stop();
  if (coordinator_ != nullptr) coordinator_->Stop();
  if (flight_ != nullptr) flight_->Stop();
}

}  // namespace eider::cmd
