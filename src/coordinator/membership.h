// Who the workers are: attaches to each, keeps what it says of itself, notices when it is gone.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "coordinator/worker_client.h"
#include "protocol/cluster_key.h"
#include "protocol/handshake.h"
#include "protocol/message.h"

namespace eider::coordinator {

// What the coordinator knows of a worker that is attached.
struct WorkerInfo {
  std::string location;
  bool up = false;
  std::string last_error;  // why it is not up
  protocol::Hello hello;
  protocol::Heartbeat heartbeat;
  int64_t clock_offset_ms = 0;  // its clock is ours plus this, or a little more
  int64_t last_event_ms = 0;    // on our clock
  std::shared_ptr<WorkerClient> client;
};

// What membership tells. Called from its threads, without its lock; for one worker in order.
struct MembershipEvents {
  std::function<void(const protocol::Hello&)> up;
  std::function<void(const std::string& worker_id)> down;
  std::function<void(const std::string& worker_id)> draining;
  // Whether it can read what queries read, when that changes; after `up` it is taken to be not
  // ready, for kNotYetReady.
  std::function<void(const std::string& worker_id, bool ready, const std::string& why)> ready;
  std::function<void(const protocol::Started&)> started;
  std::function<void(const std::string& worker_id, const protocol::Finished&)> finished;
  std::function<void()> tick;  // each kPingMs, about nobody
};

inline constexpr char kNotYetReady[] = "it has not read from S3 yet";

// One thread for each address's attach stream, and one that pings them and watches for silence.
// Thread-safe.
class Membership {
 public:
  static constexpr int64_t kPingMs = 1'000;
  // Without an event for this long a worker is down; with kWatchMs, that is seen in 3 s.
  static constexpr int64_t kSilenceMs = 2'500;
  static constexpr int64_t kWatchMs = 250;  // between looks for silence
  static constexpr int64_t kRetryMs = 100;  // first pause before attaching again
  static constexpr int64_t kRetryMaxMs = 1'000;
  static constexpr int64_t kSupersededMs = 30'000;  // pause after a newer coordinator took over
  static constexpr int64_t kForgetMs = 60'000;      // an announced worker that stays away
  static constexpr size_t kMaxWorkers = 10'000;
  static_assert(kSilenceMs > 2 * kPingMs && kSilenceMs + kWatchMs < 3'000);

  // `epoch` grows from one coordinator to the next: the wall clock's time at the start. As that may
  // be set back, a worker that this coordinator never had, and nobody else has now, is attached to
  // by the epoch after the one that it names.
  Membership(WorkerClientFactory factory, protocol::ClusterKey key, std::string coordinator_id,
             int64_t epoch, const base::Clock& clock, MembershipEvents events);
  ~Membership();

  // Attaches to "grpc://host:port" from now on; does nothing where it does so already. A worker
  // that announced itself has an `announced_id`: nothing is done where that worker is attached at
  // another address, and it is forgotten when it stays away.
  arrow::Status Add(const std::string& location, const std::string& announced_id = "")
      EIDER_EXCLUDES(mutex_);

  // The worker of this id, while it is up.
  std::optional<WorkerInfo> Find(const std::string& worker_id) const EIDER_EXCLUDES(mutex_);
  std::vector<WorkerInfo> All() const EIDER_EXCLUDES(mutex_);
  // Threads that have not been joined: one for each address, and the watcher.
  size_t threads() const EIDER_EXCLUDES(mutex_);

  // Ends every attach stream and thread.
  void Stop() EIDER_EXCLUDES(mutex_);

 private:
  struct Stream;
  struct Link;

  void Run(const std::shared_ptr<Link>& link);
  arrow::Status AttachOnce(Link& link) EIDER_EXCLUDES(mutex_);
  arrow::Status Receive(Link& link, const std::string& peer_id, const protocol::Message& message)
      EIDER_EXCLUDES(mutex_);
  arrow::Status Welcome(Link& link, const protocol::Hello& hello) EIDER_EXCLUDES(mutex_);
  void Note(Link& link, const protocol::Heartbeat& beat) EIDER_EXCLUDES(mutex_);
  // The worker is no longer attached. Returns its id where it was up.
  std::string Part(Link& link, const arrow::Status& why) EIDER_EXCLUDES(mutex_);
  // Returns false when membership stops.
  bool Pause(int64_t ms) EIDER_EXCLUDES(mutex_);
  void WatchForSilence() EIDER_EXCLUDES(mutex_);
  bool IsUpElsewhere(const std::string& worker_id, const Link* here) const EIDER_REQUIRES(mutex_);
  // Joins the threads of links that were forgotten.
  void Reap() EIDER_EXCLUDES(mutex_);
  bool ForgetIfAway(const std::shared_ptr<Link>& link) EIDER_EXCLUDES(mutex_);

  const WorkerClientFactory factory_;
  const protocol::ClusterKey key_;
  const std::string coordinator_id_;
  const int64_t epoch_;
  const base::Clock& clock_;
  const MembershipEvents events_;

  mutable base::Mutex mutex_;
  base::CondVar stop_changed_;
  bool stopped_ EIDER_GUARDED_BY(mutex_) = false;
  std::unordered_map<std::string, std::shared_ptr<Link>> links_ EIDER_GUARDED_BY(mutex_);
  // The links that are up, by their worker's id.
  std::unordered_map<std::string, Link*> up_ EIDER_GUARDED_BY(mutex_);
  std::vector<std::thread> forgotten_ EIDER_GUARDED_BY(mutex_);  // about to end
  std::thread watcher_ EIDER_GUARDED_BY(mutex_);
};

}  // namespace eider::coordinator
