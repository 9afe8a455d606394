// Which call a request is: method and target in, a route or an error answer out. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace eider::rpc {

enum class Call {
  kRead,
  kWrite,
  kExplain,
  kClearCache,
  kAnnounce,
  kWorkers,
  kQueries,
  kQuery,
  kCancelQuery,
  kHealth,
  kReady,
  kMetrics,
};

// The call's name in metrics: "read".
std::string_view CallName(Call call);

struct Route {
  Call call = Call::kHealth;
  std::string query_id;  // kQuery, kCancelQuery
  int64_t wait_ms = 0;   // kQuery: how long to wait for the query's end
};

// Why there is no route.
struct RouteMiss {
  int status = 404;  // 404, 405 or 400
  std::string message;
  std::string allow;  // 405: the methods that the path takes
};

// `target` is the request's, with its query string; the absolute form is understood too.
std::variant<Route, RouteMiss> FindRoute(std::string_view method, std::string_view target);

// The longest wait_ms that is honoured.
inline constexpr int64_t kMaxWaitMs = 30'000;

}  // namespace eider::rpc
