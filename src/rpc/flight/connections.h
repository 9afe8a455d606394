// The connections that streams go out on, and the one way to end a write that blocks.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"

namespace eider::rpc::flight {

// A thread in a write to a client that does not read comes back only when the call is cancelled,
// which Flight gives a server no means for, or when the connection ends: the server's keepalive
// would see to that, but Flight gives no means to set it either (gRPC's default is two hours). The
// socket, however, is this process's own. One connection may carry several streams; it is shut down
// when all of them are given up, so that a client which reads one of two loses neither.
// Thread-safe.
class Connections {
 public:
  // One stream on a connection, from its start to its end. Must not outlive its Connections.
  class Use {
   public:
    Use(Connections& connections, std::string peer, int port);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

    // Its thread is not waited for any more.
    void GiveUp();

   private:
    Connections& connections_;
    const std::string peer_;
    const int port_;
    bool given_up_ = false;  // by one thread
  };

  // `peer` is the client's address as gRPC writes it, `port` this side's.
  std::shared_ptr<Use> Enter(const std::string& peer, int port) {
    return std::make_shared<Use>(*this, peer, port);
  }

 private:
  struct Streams {
    int open = 0;
    int given_up = 0;
  };

  void Change(const std::string& peer, int port, int open, int given_up) EIDER_EXCLUDES(mutex_);

  base::Mutex mutex_;
  std::map<std::string, Streams> streams_ EIDER_GUARDED_BY(mutex_);  // by peer
};

// Shuts down this process's TCP connection between its `port` and `peer` ("ipv4:10.0.0.1:4711",
// "ipv6:%5B::1%5D:4711"); false when there is none.
bool ShutDownConnection(const std::string& peer, int port);

}  // namespace eider::rpc::flight
