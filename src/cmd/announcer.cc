#include "cmd/announcer.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <random>
#include <utility>

#include "base/error.h"
#include "config/limits.h"
#include "rpc/http/client.h"

namespace eider::cmd {
namespace {

// Empty when the coordinator took the announcement.
std::string Trouble(const arrow::Result<rpc::HttpClient::Response>& answer) {
  if (!answer.ok()) return answer.status().message();
  if (answer->status / 100 == 2) return {};
  const auto error = base::DecodeError(answer->body);
  return error ? error->message : "it answered HTTP " + std::to_string(answer->status);
}

}  // namespace

Announcer::Announcer(Options options, std::function<bool()> attached)
    : options_(std::move(options)), attached_(std::move(attached)), thread_([this] { Run(); }) {}

Announcer::~Announcer() {
  {
    base::MutexLock lock(mutex_);
    stopped_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

void Announcer::Run() {
  std::minstd_rand jitter(std::random_device{}());
  std::uniform_int_distribution<int64_t> pause_ms(config::kAnnounceIntervalMs * 3 / 4,
                                                  config::kAnnounceIntervalMs * 5 / 4);
  rpc::HttpClient client;
  do {
    if (attached_()) continue;
    LogChange(Trouble(client.Fetch("POST", options_.coordinator_url + "/v1/announce",
                                   {{"Content-Type", "application/octet-stream"}}, options_.sealed,
                                   config::kAnnounceTimeoutMs)));
  } while (Pause(pause_ms(jitter)));
}

// Once for each new trouble and for its end, not each second.
void Announcer::LogChange(const std::string& trouble) {
  if (trouble == last_trouble_) return;
  last_trouble_ = trouble;
  if (trouble.empty()) {
    spdlog::info("announced to {}", options_.coordinator_url);
  } else {
    spdlog::warn("cannot announce to {}, trying on: {}", options_.coordinator_url, trouble);
  }
}

bool Announcer::Pause(int64_t ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
  base::MutexLock lock(mutex_);
  while (!stopped_ && changed_.WaitUntil(mutex_, deadline)) {
  }
  return !stopped_;
}

}  // namespace eider::cmd
