// One HTTP request and its answer, as CurlLoop carries them: what is sent, and who takes what
// comes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "store/http_head.h"
#include "store/object_store.h"

namespace eider::store {

struct HttpRequest {
  enum class Kind { kGet, kHead, kList };
  Kind kind = Kind::kGet;
  std::string url;                   // percent-encoded, its query sorted by name
  std::vector<std::string> headers;  // "Name: value"; those that CurlLoop's signing covers
  std::shared_ptr<const Access> access;
};

// How a request ended.
struct ExchangeEnd {
  enum class Kind {
    kComplete,   // the whole answer, as its framing says
    kRefused,    // the receiver said no
    kCancelled,  // the scope's stop, or the store's end
    kDeadline,   // the scope's
    kBroken,     // the connection: worth another try
    kUntrusted,  // the server's certificate
    kUnusable,   // the request itself: a malformed URL, a CA file that cannot be read
  };
  Kind kind = Kind::kComplete;
  std::string why;  // for kBroken, kUntrusted and kUnusable
};

// Takes one answer. Called from the loop's thread only, in the order of the functions; must not
// block, and must not keep what it is handed.
class Receiver {
 public:
  virtual ~Receiver() = default;
  // The request goes out now; what waits for a free connection has not been sent.
  virtual void OnSent() = 0;
  // False: nothing more is wanted.
  virtual bool OnHead(const HttpHead& head) = 0;
  virtual bool OnBody(std::span<const uint8_t> piece) = 0;
  // Exactly once, last.
  virtual void OnEnd(const ExchangeEnd& end) = 0;
};

}  // namespace eider::store
