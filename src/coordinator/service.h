// The coordinator as the two front doors (rpc/http, rpc/flight) see it.
#pragma once

#include <arrow/buffer.h>
#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/figures.h"
#include "protocol/query.h"

namespace eider::coordinator {

// What is known when a query is claimed: the response headers.
struct ClaimInfo {
  std::string query_id;
  std::string worker_id;
  std::string location;  // "grpc://host:port" of the worker
  std::string reason;    // "home rank 0"
  int64_t queue_ms = 0;
  std::string ticket;  // sealed; for `direct` delivery only
};

// Where a relayed result goes: the HTTP response. Called by one relay thread at a time, in the
// order Begin, Write*, perhaps Report, then End or Fail; Fail alone when nothing began. Begin comes
// again where an attempt was lost before the first Write.
class ResultSink {
 public:
  virtual ~ResultSink() = default;
  virtual arrow::Status Begin(const ClaimInfo& claim) = 0;
  // Bytes of one Arrow IPC stream. Blocks while the client is slow (back-pressure); CANCELLED when
  // the client is gone.
  virtual arrow::Status Write(std::shared_ptr<arrow::Buffer> bytes) = 0;
  // How long End may be put off for what the query cost; 0: nobody here wants to know.
  virtual int64_t figures_wait_ms() const { return 0; }
  // What it cost, where its worker has told it in that time.
  virtual void Report(const protocol::Figures&) {}
  // The result is whole.
  virtual void End() = 0;
  // It is not: before Begin an error answer, after it a broken connection.
  virtual void Fail(const arrow::Status& why) = 0;
};

// A handle to cancel a query whose client has gone. Destroying it does nothing.
class Submitted {
 public:
  virtual ~Submitted() = default;
  virtual const std::string& query_id() const = 0;
  // Thread-safe, idempotent; the sink still gets its Fail.
  virtual void Cancel(const std::string& reason) = 0;
};

// Thread-safe.
class Service {
 public:
  virtual ~Service() = default;

  // Receive -> plan -> schedule -> claim -> relay. Returns at once; `sink` hears the rest from
  // other threads, or from this one when the query is refused.
  virtual std::shared_ptr<Submitted> Relay(protocol::Query query,
                                           std::shared_ptr<ResultSink> sink) = 0;

  // The same for `direct` delivery up to the claim: blocks until the query is claimed or `wait_ms`
  // has passed; then nullopt with *query_id set, and the caller asks again by WaitForClaim.
  virtual arrow::Result<std::optional<ClaimInfo>> Hand(protocol::Query query, int64_t wait_ms,
                                                       std::string* query_id) = 0;
  virtual arrow::Result<std::optional<ClaimInfo>> WaitForClaim(const std::string& query_id,
                                                               int64_t wait_ms) = 0;

  // Where the query would run now and why, as JSON; it is not run. Errors: those of a query that is
  // refused before it is scheduled.
  virtual arrow::Result<std::string> Explain(protocol::Query query) const = 0;

  // {"location": ...} of one worker, or all when empty. Returns how many were cleared.
  virtual arrow::Result<int> ClearCache(const std::string& location) = 0;
  // A sealed protocol::Announcement.
  virtual arrow::Status Announce(std::string_view sealed) = 0;
  virtual arrow::Status CancelQuery(const std::string& query_id) = 0;

  // JSON for the status calls.
  virtual std::string WorkersJson() const = 0;
  virtual std::string QueriesJson() const = 0;
  // Waits up to `wait_ms` for the query to end. NOT_FOUND where there is none of that id.
  virtual arrow::Result<std::string> QueryJson(const std::string& query_id, int64_t wait_ms) = 0;
  // OK when at least one worker is attached and ready; else says what is missing.
  virtual arrow::Status Ready() const = 0;
  // Prometheus text.
  virtual std::string Metrics() const = 0;
};

}  // namespace eider::coordinator
