#include "rpc/http/router.h"

#include <gtest/gtest.h>

namespace eider::rpc {
namespace {

Route Found(std::string_view method, std::string_view target) {
  const auto found = FindRoute(method, target);
  EXPECT_TRUE(std::holds_alternative<Route>(found)) << method << " " << target;
  const Route* route = std::get_if<Route>(&found);
  return route != nullptr ? *route : Route{};
}

RouteMiss Missed(std::string_view method, std::string_view target) {
  const auto found = FindRoute(method, target);
  EXPECT_TRUE(std::holds_alternative<RouteMiss>(found)) << method << " " << target;
  const RouteMiss* miss = std::get_if<RouteMiss>(&found);
  return miss != nullptr ? *miss : RouteMiss{.status = 0, .message = "", .allow = ""};
}

TEST(RouterTest, EachCallHasItsRoute) {
  EXPECT_EQ(Found("POST", "/read").call, Call::kRead);
  EXPECT_EQ(Found("POST", "/write").call, Call::kWrite);
  EXPECT_EQ(Found("POST", "/v1/explain").call, Call::kExplain);
  EXPECT_EQ(Found("POST", "/clear_cache").call, Call::kClearCache);
  EXPECT_EQ(Found("POST", "/v1/announce").call, Call::kAnnounce);
  EXPECT_EQ(Found("GET", "/v1/workers").call, Call::kWorkers);
  EXPECT_EQ(Found("GET", "/v1/queries").call, Call::kQueries);
  EXPECT_EQ(Found("GET", "/healthz").call, Call::kHealth);
  EXPECT_EQ(Found("GET", "/readyz?verbose").call, Call::kReady);
  EXPECT_EQ(Found("GET", "http://host:5000/metrics").call, Call::kMetrics);
  EXPECT_EQ(Found("DELETE", "/v1/queries/ab12").call, Call::kCancelQuery);
}

TEST(RouterTest, AQueryHasAnIdAndAWait) {
  const Route route = Found("GET", "/v1/queries/ab12?x=1&wait_ms=250");
  EXPECT_EQ(route.call, Call::kQuery);
  EXPECT_EQ(route.query_id, "ab12");
  EXPECT_EQ(route.wait_ms, 250);
  EXPECT_EQ(Found("GET", "/v1/queries/ab12").wait_ms, 0);
  EXPECT_EQ(Found("GET", "/v1/queries/ab12?wait_ms=99999999").wait_ms, kMaxWaitMs);
  EXPECT_EQ(Missed("GET", "/v1/queries/ab12?wait_ms=soon").status, 400);
  EXPECT_EQ(Missed("GET", "/v1/queries/ab12?wait_ms=-1").status, 400);
}

TEST(RouterTest, AnUnknownPathIs404AndAWrongMethod405WithWhatIsAllowed) {
  EXPECT_EQ(Missed("GET", "/nothing").status, 404);
  EXPECT_EQ(Missed("HEAD", "/nothing").status, 404);
  EXPECT_EQ(Missed("GET", "/v1/queries/").status, 404);
  EXPECT_EQ(Missed("GET", "/v1/queries/a/b").status, 404);
  EXPECT_EQ(Missed("GET", "/read/").status, 404);
  EXPECT_EQ(Missed("GET", "/read").status, 405);
  EXPECT_EQ(Missed("GET", "/read").allow, "POST");
  EXPECT_EQ(Missed("POST", "/v1/queries/ab").allow, "GET, HEAD, DELETE");
}

TEST(RouterTest, AHeadIsAGet) {
  EXPECT_EQ(Found("HEAD", "/healthz").call, Call::kHealth);
  EXPECT_EQ(Found("HEAD", "/v1/queries/ab12").query_id, "ab12");
  EXPECT_EQ(Missed("HEAD", "/read").status, 405);
}

}  // namespace
}  // namespace eider::rpc
