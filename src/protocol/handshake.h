// The attach session: how coordinator and worker prove themselves to each other over a Channel, and
// the sealed messages that follow.
//
// The worker speaks first with a nonce; the coordinator answers with its own nonce, its id and
// epoch, and a MAC over all of it; the worker answers with its id and a MAC. From both nonces comes
// a session key, and each message is sealed with its direction and sequence number: none can be
// forged, reordered, dropped in the middle or replayed in another session.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "protocol/channel.h"
#include "protocol/cluster_key.h"
#include "protocol/message.h"

namespace eider::protocol {

// One side of an authenticated session. Several threads may Send; one thread Receives. The channel
// must outlive it; to end a blocked Receive or handshake, Cancel the channel.
class Session {
 public:
  // The worker's side. Blocks until the handshake is done.
  // Errors: PERMISSION_DENIED when the coordinator has not our key; the channel's.
  static arrow::Result<std::unique_ptr<Session>> Accept(Channel& channel, const ClusterKey& key,
                                                        const std::string& worker_id);
  // The coordinator's side, the same. peer_id() is the worker's id, proven by its MAC. A newer
  // epoch takes a worker over from an older one; the older gets Superseded and then the end.
  static arrow::Result<std::unique_ptr<Session>> Connect(Channel& channel, const ClusterKey& key,
                                                         const std::string& coordinator_id,
                                                         int64_t epoch);

  arrow::Status Send(const Message& message);
  // Blocks for the next message; nullopt at the peer's orderly end.
  // Errors: PERMISSION_DENIED for a message that is not the peer's next one (end the session then);
  // the channel's.
  arrow::Result<std::optional<Message>> Receive();

  // The other side's id, and the coordinator's epoch.
  const std::string& peer_id() const { return peer_id_; }
  int64_t epoch() const { return epoch_; }

 private:
  Session(Channel& channel, ClusterKey key, std::string peer_id, int64_t epoch, const char* sends,
          const char* receives);

  Channel& channel_;
  const ClusterKey key_;
  const std::string peer_id_;
  const int64_t epoch_;
  const char* const sends_;  // the direction's name, a part of each MAC's purpose
  const char* const receives_;
  int64_t received_ = 0;  // used by the receiving thread alone
  base::Mutex send_mutex_;
  int64_t sent_ EIDER_GUARDED_BY(send_mutex_) = 0;
};

}  // namespace eider::protocol
