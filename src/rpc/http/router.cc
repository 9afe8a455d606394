#include "rpc/http/router.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace eider::rpc {
namespace {

struct Entry {
  std::string_view method;
  std::string_view path;  // ending in '/': a query's id follows
  Call call;
  std::string_view name;
};

constexpr std::array kEntries = {
    Entry{"POST", "/read", Call::kRead, "read"},
    Entry{"POST", "/write", Call::kWrite, "write"},
    Entry{"POST", "/v1/explain", Call::kExplain, "explain"},
    Entry{"POST", "/clear_cache", Call::kClearCache, "clear_cache"},
    Entry{"POST", "/v1/announce", Call::kAnnounce, "announce"},
    Entry{"GET", "/v1/workers", Call::kWorkers, "workers"},
    Entry{"GET", "/v1/queries", Call::kQueries, "queries"},
    Entry{"GET", "/v1/queries/", Call::kQuery, "query"},
    Entry{"DELETE", "/v1/queries/", Call::kCancelQuery, "cancel_query"},
    Entry{"GET", "/healthz", Call::kHealth, "healthz"},
    Entry{"GET", "/readyz", Call::kReady, "readyz"},
    Entry{"GET", "/metrics", Call::kMetrics, "metrics"},
};

bool Matches(const Entry& entry, std::string_view path) {
  if (entry.path.back() != '/') return path == entry.path;
  return path.starts_with(entry.path) && path.size() > entry.path.size() &&
         path.find('/', entry.path.size()) == std::string_view::npos;
}

// "http://host:port/path" -> "/path".
std::string_view StripOrigin(std::string_view target) {
  const size_t scheme = target.find("://");
  if (target.starts_with('/') || scheme == std::string_view::npos) return target;
  const size_t path = target.find('/', scheme + 3);
  return path == std::string_view::npos ? "/" : target.substr(path);
}

// The parameter's number; 0 where it is missing, nullopt where it is none.
std::optional<int64_t> WaitMs(std::string_view parameters) {
  constexpr std::string_view kName = "wait_ms=";
  while (!parameters.empty()) {
    const std::string_view parameter = parameters.substr(0, parameters.find('&'));
    parameters.remove_prefix(std::min(parameters.size(), parameter.size() + 1));
    if (!parameter.starts_with(kName)) continue;
    const std::string_view digits = parameter.substr(kName.size());
    int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), value);
    if (error != std::errc() || end != digits.end() || value < 0) return std::nullopt;
    return std::min(value, kMaxWaitMs);
  }
  return 0;
}

}  // namespace

std::string_view CallName(Call call) {
  for (const Entry& entry : kEntries) {
    if (entry.call == call) return entry.name;
  }
  return "unknown";
}

std::variant<Route, RouteMiss> FindRoute(std::string_view method, std::string_view target) {
  target = StripOrigin(target);
  const std::string_view path = target.substr(0, target.find('?'));
  std::string allow;
  for (const Entry& entry : kEntries) {
    if (!Matches(entry, path)) continue;
    // A HEAD is a GET whose answer has no body.
    const bool gets = entry.method == "GET";
    if (entry.method != method && !(gets && method == "HEAD")) {
      allow += (allow.empty() ? "" : ", ") + std::string(gets ? "GET, HEAD" : entry.method);
      continue;
    }
    const auto wait_ms = WaitMs(target.substr(std::min(target.size(), path.size() + 1)));
    if (!wait_ms) return RouteMiss{400, "wait_ms must be a whole number of milliseconds", ""};
    const bool has_id = entry.path.back() == '/';
    return Route{entry.call, std::string(has_id ? path.substr(entry.path.size()) : ""), *wait_ms};
  }
  if (allow.empty()) return RouteMiss{404, "there is no " + std::string(path) + " here", ""};
  return RouteMiss{405, std::string(path) + " takes " + allow + ", not " + std::string(method),
                   allow};
}

}  // namespace eider::rpc
