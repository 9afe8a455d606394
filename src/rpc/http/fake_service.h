// For tests: a coordinator that does what the test says.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/mutex.h"
#include "coordinator/service.h"

namespace eider::rpc {

// A one-time event with a text. Thread-safe.
class Event {
 public:
  void Set(std::string text = "") {
    base::MutexLock lock(mutex_);
    if (!text_) text_ = std::move(text);
    set_.NotifyAll();
  }
  // The text; fails the test's patience after ten seconds with "never".
  std::string Wait() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    base::MutexLock lock(mutex_);
    while (!text_) {
      if (!set_.WaitUntil(mutex_, deadline) && !text_) return "never";
    }
    return *text_;
  }

 private:
  base::Mutex mutex_;
  base::CondVar set_;
  std::optional<std::string> text_ EIDER_GUARDED_BY(mutex_);
};

inline std::shared_ptr<arrow::Buffer> BytesOf(std::string text) {
  return arrow::Buffer::FromString(std::move(text));
}

class FakeService final : public coordinator::Service {
 public:
  using Relaying =
      std::function<void(const protocol::Query&, const std::shared_ptr<coordinator::ResultSink>&)>;

  // Each query is relayed by `relaying` on a thread of its own, or inline.
  explicit FakeService(Relaying relaying = {}, bool inline_relay = false)
      : relaying_(std::move(relaying)), inline_relay_(inline_relay) {}
  ~FakeService() override { Join(); }

  static coordinator::ClaimInfo Claim() {
    return {.query_id = "00000000000000aa",
            .worker_id = "w1",
            .location = "grpc://127.0.0.1:1",
            .reason = "home rank 0",
            .queue_ms = 7,
            .ticket = ""};
  }

  void Join() {
    std::vector<std::thread> threads;
    {
      base::MutexLock lock(mutex_);
      threads.swap(threads_);
    }
    for (std::thread& thread : threads) thread.join();
  }

  std::shared_ptr<coordinator::Submitted> Relay(
      protocol::Query query, std::shared_ptr<coordinator::ResultSink> sink) override {
    if (inline_relay_) {
      relaying_(query, sink);
    } else {
      base::MutexLock lock(mutex_);
      threads_.emplace_back([this, query = std::move(query), sink] { relaying_(query, sink); });
    }
    return std::make_shared<Handle>(cancelled);
  }

  arrow::Result<std::optional<coordinator::ClaimInfo>> Hand(protocol::Query, int64_t,
                                                            std::string*) override {
    return std::nullopt;
  }
  arrow::Result<std::optional<coordinator::ClaimInfo>> WaitForClaim(const std::string&,
                                                                    int64_t) override {
    return std::nullopt;
  }
  arrow::Result<std::string> Explain(protocol::Query query) const override {
    if (query.sql == "bad") return base::MakeError(base::ErrorCode::kInvalidQuery, "bad");
    return R"({"client":")" + query.client + R"(","write":)" + (query.write ? "true}" : "false}");
  }
  arrow::Result<int> ClearCache(const std::string& location) override {
    if (location == "grpc://nobody:1") {
      return base::MakeError(base::ErrorCode::kNotFound, "no worker at " + location);
    }
    return location.empty() ? 2 : 1;
  }
  arrow::Status Announce(std::string_view sealed) override {
    if (sealed == "sealed") return arrow::Status::OK();
    return base::MakeError(base::ErrorCode::kPermissionDenied, "the MAC is wrong");
  }
  arrow::Status CancelQuery(const std::string& id) override {
    if (id == "aa") return arrow::Status::OK();
    return base::MakeError(base::ErrorCode::kNotFound, "no query " + id);
  }
  std::string WorkersJson() const override { return R"({"workers":[]})"; }
  std::string QueriesJson() const override { return R"({"queries":[]})"; }
  arrow::Result<std::string> QueryJson(const std::string& id, int64_t wait_ms) override {
    if (id == "slow") query_asked.Set(), release_query.Wait();
    if (id == "aa" || id == "slow") return R"({"id":"aa","wait":)" + std::to_string(wait_ms) + "}";
    return base::MakeError(base::ErrorCode::kNotFound, "no query " + id);
  }
  arrow::Status Ready() const override {
    if (ready) return arrow::Status::OK();
    return base::MakeError(base::ErrorCode::kWorkerLost, "no worker is attached");
  }
  std::string Metrics() const override { return "eider_workers_up 0\n"; }

  Event cancelled;  // by the server, with the reason
  Event query_asked;
  Event release_query;
  bool ready = true;

 private:
  class Handle final : public coordinator::Submitted {
   public:
    explicit Handle(Event& cancelled) : cancelled_(cancelled) {}
    const std::string& query_id() const override { return id_; }
    void Cancel(const std::string& reason) override { cancelled_.Set(reason); }

   private:
    const std::string id_ = "00000000000000aa";
    Event& cancelled_;
  };

  const Relaying relaying_;
  const bool inline_relay_;
  base::Mutex mutex_;
  std::vector<std::thread> threads_ EIDER_GUARDED_BY(mutex_);
};

}  // namespace eider::rpc
