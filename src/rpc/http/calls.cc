#include "rpc/http/calls.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/error.h"
#include "rpc/http/request.h"

namespace eider::rpc {
namespace {

constexpr std::string_view kPrometheusType = "text/plain; version=0.0.4; charset=utf-8";

Response Json(std::string body) { return {.status = 200, .headers = {}, .body = std::move(body)}; }

Response ClearCache(coordinator::Service& service, std::string_view body) {
  const auto location = DecodeClearCache(body);
  if (!location.ok()) return ErrorResponse(location.status());
  const auto cleared = service.ClearCache(*location);
  if (!cleared.ok()) return ErrorResponse(cleared.status());
  return Json(nlohmann::json{{"cleared", *cleared}}.dump());
}

Response Announce(coordinator::Service& service, std::string_view body) {
  const arrow::Status status = service.Announce(body);
  return status.ok() ? Json("{}") : ErrorResponse(status);
}

Response CancelQuery(coordinator::Service& service, const std::string& id) {
  const arrow::Status status = service.CancelQuery(id);
  if (!status.ok()) return ErrorResponse(status);
  return Json(nlohmann::json{{"id", id}, {"cancelled", true}}.dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace));
}

// Waits in short steps, so that a stopping server need not wait out a client's wish. A step that
// comes back before its time found the query ended.
Response QueryState(coordinator::Service& service, const Route& route,
                    const std::atomic<bool>& stopping) {
  using Clock = std::chrono::steady_clock;
  constexpr int64_t kStepMs = 250;
  int64_t left_ms = route.wait_ms;
  while (true) {
    const int64_t step_ms = std::min(left_ms, kStepMs);
    const auto began = Clock::now();
    const auto json = service.QueryJson(route.query_id, step_ms);
    if (!json.ok()) return ErrorResponse(json.status());
    const auto took = Clock::now() - began;
    left_ms -= step_ms;
    if (left_ms <= 0 || stopping || took < std::chrono::milliseconds(step_ms)) return Json(*json);
  }
}

// 503 whatever the reason: a load balancer looks at the status alone.
Response Ready(const coordinator::Service& service) {
  const arrow::Status status = service.Ready();
  return status.ok() ? Json(R"({"status":"ready"})") : ErrorResponse(status, 503);
}

}  // namespace

Response AnswerExplain(const coordinator::Service& service, arrow::Result<protocol::Query> query) {
  if (!query.ok()) return ErrorResponse(query.status());
  const auto json = service.Explain(*std::move(query));
  return json.ok() ? Json(*json) : ErrorResponse(json.status());
}

bool MayBlock(Call call) { return call != Call::kHealth && call != Call::kReady; }

Response AnswerCall(coordinator::Service& service, const Route& route, std::string_view body,
                    const std::atomic<bool>& stopping) {
  switch (route.call) {
    case Call::kClearCache:
      return ClearCache(service, body);
    case Call::kAnnounce:
      return Announce(service, body);
    case Call::kWorkers:
      return Json(service.WorkersJson());
    case Call::kQueries:
      return Json(service.QueriesJson());
    case Call::kQuery:
      return QueryState(service, route, stopping);
    case Call::kCancelQuery:
      return CancelQuery(service, route.query_id);
    case Call::kHealth:
      return Json(R"({"status":"ok"})");
    case Call::kReady:
      return Ready(service);
    case Call::kMetrics:
      return {.status = 200,
              .content_type = std::string(kPrometheusType),
              .headers = {},
              .body = service.Metrics()};
    case Call::kRead:
    case Call::kWrite:
    case Call::kExplain:
      break;
  }
  return ErrorResponse(base::MakeError(base::ErrorCode::kInternal, "no such call"));
}

}  // namespace eider::rpc
