#include "cmd/worker_process.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "cmd/address.h"
#include "cmd/command.h"
#include "cmd/event_log.h"
#include "cmd/logging.h"
#include "config/limits.h"
#include "config/quantity.h"
#include "protocol/message.h"
#include "rpc/http/client.h"

namespace eider::cmd {
namespace {

constexpr int64_t kProbeTimeoutMs = 5'000;
constexpr int kHttpsPort = 443;

engine::S3Options EngineS3(const config::S3Options& s3) {
  return {.endpoint = s3.endpoint,
          .region = s3.region,
          .key_id = s3.key_id,
          .secret_key = s3.secret_key,
          .session_token = s3.session_token,
          .path_style = s3.path_style,
          .use_ssl = s3.use_ssl,
          .ca_file = s3.ca_file,
          .profile = s3.profile,
          .config_file = s3.config_file,
          .credentials_file = s3.credentials_file,
          .proxy = s3.proxy};
}

arrow::Result<std::string> ReadText(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return arrow::Status::Invalid("--init ", path, " cannot be read");
  return text.str();
}

arrow::Result<engine::EngineOptions> MakeEngineOptions(const config::WorkerOptions& options,
                                                       const WorkerHome& home) {
  engine::EngineOptions engine;
  engine.threads = options.threads;
  engine.memory_limit_bytes = options.memory_limit_bytes;
  engine.temp_directory = home.temp_dir();
  engine.extension_dir = options.extension_dir;
  engine.allowed_paths = options.allowed_paths;
  engine.cache = options.cache;
  if (options.cache && options.cache_size_bytes > 0) engine.cache_dir = home.blocks_dir();
  engine.cache_size_bytes = options.cache_size_bytes;
  engine.revalidate_ms = options.revalidate_ms;
  engine.s3 = EngineS3(options.s3);
  ARROW_ASSIGN_OR_RAISE(engine.init_sql, ReadText(options.init_file));
  engine.init_name = options.init_file;
  std::error_code error;
  if (!std::filesystem::is_directory(engine.extension_dir, error)) {
    return arrow::Status::Invalid("DuckDB's extensions are not in ", engine.extension_dir,
                                  ": name their folder with --extension-dir");
  }
  return engine;
}

// Whether the object store answers. No bucket is known before the first query, so an answer of any
// kind below 500 counts. Of an endpoint with TLS only the connection is tried: its certificates may
// be of an authority of its own, and the client that asks here knows the system's alone. AWS is
// asked where there is a key for it; without, a worker may be for local files or for the secrets of
// its init file, and is ready at once.
std::function<arrow::Status()> MakeProbe(const config::S3Options& s3) {
  if (s3.endpoint.empty() && s3.key_id.empty()) return {};
  return [s3]() -> arrow::Status {
    const bool aws = s3.endpoint.empty();
    const std::string endpoint = aws ? AwsS3Host(s3.region) : s3.endpoint;
    if (!s3.proxy.empty()) {  // S3 itself may be out of reach, and its name unknown here
      const auto proxy = config::ParseHostPort(s3.proxy.substr(s3.proxy.find("://") + 3));
      if (proxy) return CheckReachable(proxy->host, proxy->port, kProbeTimeoutMs);
    }
    if (s3.use_ssl && (!aws || !s3.ca_file.empty())) {
      const auto address = config::ParseHostPort(endpoint);
      const int port = address && address->port != 0 ? address->port : kHttpsPort;
      return CheckReachable(address ? address->host : endpoint, port, kProbeTimeoutMs);
    }
    const std::string url = (aws ? "https://" : "http://") + endpoint + "/";
    ARROW_ASSIGN_OR_RAISE(const auto answer, rpc::Fetch("GET", url, {}, "", kProbeTimeoutMs));
    if (answer.status < 500) return arrow::Status::OK();
    return arrow::Status::IOError("S3 at ", endpoint, " answers HTTP ", answer.status);
  };
}

}  // namespace

arrow::Result<std::unique_ptr<WorkerProcess>> WorkerProcess::Start(
    const config::WorkerOptions& options, const protocol::ClusterKey& key, const base::Clock& clock,
    std::function<void()> on_drain) {
  ARROW_RETURN_NOT_OK(CheckPortFree(options.listen.bind, options.listen.port, "--port"));
  std::unique_ptr<WorkerProcess> process(new WorkerProcess());
  ARROW_ASSIGN_OR_RAISE(process->home_, WorkerHome::Open(options.cache_dir, options.id));
  ARROW_ASSIGN_OR_RAISE(const auto engine, MakeEngineOptions(options, *process->home_));

  worker::Worker::Options worker;
  worker.id = process->home_->id();
  worker.slots = options.slots;
  worker.storage_doubt_ms = config::kStorageDoubtMs;
  worker.stall_timeout_ms = options.stall_timeout_ms;
  worker.max_blocked_streams = config::kMaxBlockedStreams;
  worker.version = Version();
  worker.prices = {.per_1000_requests = options.prices.per_1000_requests,
                   .per_1000_lists = options.prices.per_1000_lists,
                   .per_gb = options.prices.per_gb};
  worker.on_task_end = [](const protocol::Finished& finished) {
    LogEvent("task ended", TaskEndFields(finished));
  };
  worker.probe = MakeProbe(options.s3);
  worker.on_drain = std::move(on_drain);
  ARROW_ASSIGN_OR_RAISE(
      process->worker_,
      worker::Worker::Start(
          std::move(worker), [engine] { return engine::Engine::Open(engine); }, key, clock));
  ARROW_ASSIGN_OR_RAISE(process->server_,
                        rpc::flight::WorkerServer::Start(*process->worker_, options.listen.bind,
                                                         options.listen.port));
  process->location_ =
      WorkerLocation(options.advertise, options.listen.bind, process->server_->port());
  if (!options.coordinator.empty()) {
    const protocol::Announcement announcement{.worker_id = process->id(),
                                              .boot_id = process->worker_->boot_id(),
                                              .location = process->location_};
    process->announcer_ = std::make_unique<Announcer>(
        Announcer::Options{options.coordinator, SealAnnouncement(announcement, key)},
        [worker = process->worker_.get()] { return worker->attached(); });
  }
  return process;
}

WorkerProcess::~WorkerProcess() {
  announcer_.reset();
  if (worker_ != nullptr) worker_->EndAttachments();
  if (server_ != nullptr) server_->Stop();
}

}  // namespace eider::cmd
