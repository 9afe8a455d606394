// A TCP server on loopback that answers as a test says, byte for byte: for what no proper server
// does.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace eider::store {

// One connection to the server, in a thread of its own.
class Peer {
 public:
  Peer(int socket, int number) : socket_(socket), number_(number) {}
  int number() const { return number_; }  // 0 for the first connection

  void Send(std::string_view bytes);
  // Waits until the client closes; true when it has within 10 s.
  bool WaitForClose();
  void Close();  // properly
  void Reset();  // RST

 private:
  friend class ScriptedServer;
  const int socket_;
  const int number_;
  bool open_ = true;
};

class ScriptedServer {
 public:
  struct Request {
    int number = 0;  // 0 for the first that the server got
    std::string method;
    std::string target;                               // path and query
    std::string head;                                 // all of it
    std::string Header(std::string_view name) const;  // "" where it is not there
  };
  // Called for each request, in its connection's thread.
  using Script = std::function<void(const Request& request, Peer& peer)>;

  explicit ScriptedServer(Script script);
  ~ScriptedServer();

  std::string endpoint() const;  // "127.0.0.1:PORT"
  std::vector<Request> requests() const;
  int connections() const;
  // Until that many requests have come; false after 10 s.
  bool WaitForRequests(size_t count) const;

 private:
  void Accept();
  void Serve(std::shared_ptr<Peer> peer);

  const Script script_;
  int listener_ = -1;
  int port_ = 0;
  mutable base::Mutex mutex_;
  mutable base::CondVar arrived_;
  std::vector<Request> requests_ EIDER_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Peer>> peers_ EIDER_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ EIDER_GUARDED_BY(mutex_);
  bool closing_ EIDER_GUARDED_BY(mutex_) = false;
  std::thread acceptor_;
};

// "HTTP/1.1 206 Partial Content" with these header lines, a Content-Length and the body.
std::string Answer(std::string_view status, const std::vector<std::string>& headers,
                   std::string_view body);
// A 206 of all or a part of `object`, for a request's Range; 200 without one, 416 past the end.
std::string ServeObject(const ScriptedServer::Request& request, std::string_view object,
                        std::string_view etag);

}  // namespace eider::store
