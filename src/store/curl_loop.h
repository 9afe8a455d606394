// The thread that carries HTTP requests: libcurl's multi interface over connections that are kept
// and shared by all queries.
#pragma once

#include <curl/curl.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "store/connection_slots.h"
#include "store/exchange.h"
#include "store/object_store.h"
#include "store/transfer_options.h"

namespace eider::store {

// Thread-safe. A request ends soon after its scope's stop or deadline, when nothing progresses for
// as long as the options say, or with its answer.
class CurlLoop {
 public:
  explicit CurlLoop(const TransferOptions& options);
  // Ends what is under way as kCancelled. Not from a receiver.
  ~CurlLoop();
  CurlLoop(const CurlLoop&) = delete;
  CurlLoop& operator=(const CurlLoop&) = delete;

  // Never blocks. The receiver lives until its OnEnd has returned.
  void Start(HttpRequest request, const Scope& scope, std::unique_ptr<Receiver> receiver);

 private:
  struct Exchange;
  using TimePoint = Scope::TimePoint;

  // In the loop's thread.
  void Run();
  bool TakeNews();  // false: the end
  void Admit(std::unique_ptr<Exchange> exchange);
  void Send(Exchange& exchange);
  void Perform();
  void ReadMessages();
  void CheckTimes();
  void Watch(Exchange& exchange, TimePoint now);  // looks at it again when something is due
  std::optional<ExchangeEnd> Judge(const Exchange& exchange, TimePoint now) const;
  void Finish(uint64_t id, const ExchangeEnd& end);
  int PollTimeoutMs() const;

  void Wake();

  const TransferOptions options_;

  base::Mutex mutex_;
  std::vector<std::unique_ptr<Exchange>> arrivals_ EIDER_GUARDED_BY(mutex_);
  std::vector<uint64_t> stops_ EIDER_GUARDED_BY(mutex_);
  bool closing_ EIDER_GUARDED_BY(mutex_) = false;
  uint64_t next_id_ EIDER_GUARDED_BY(mutex_) = 1;

  // The loop's thread alone, but curl_multi_wakeup.
  CURLM* const multi_;
  CURLSH* const share_;
  std::unordered_map<uint64_t, std::unique_ptr<Exchange>> exchanges_;
  std::set<std::pair<TimePoint, uint64_t>> checks_;  // when to look at which
  ConnectionSlots slots_;
  bool ending_ = false;

  std::thread thread_;  // last: it uses all of these
};

}  // namespace eider::store
