#include "cmd/status_view.h"

#include <gmock/gmock.h>

namespace eider::cmd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

protocol::Value Json(const std::string& text) { return protocol::ParseJson(text).ValueOrDie(); }

TEST(StatusView, ShowsWorkersAndQueries) {
  const std::string text = StatusText(
      Json(R"({"workers":[{"id":"w1","location":"grpc://h:1","state":"up","ready":true,"slots":8,
               "occupied":3,"waiting":2,"threads":2,"memory_used_bytes":1048576,
               "memory_limit_bytes":1073741824,"cache_bytes":0,"version":"0.1.0",
               "cache":{"budget_bytes":10737418240,"used_bytes":1073741824,"hits":93,"misses":7,
               "disabled_why":""}},
               {"id":"w2","state":"down","slots":8,"occupied":0,"waiting":0}]})"),
      Json(R"({"queries":[{"id":"q2","state":"failed","error":{"error":"x","code":"NOT_FOUND"},
               "submitted_at_ms":0,"sql":"SELECT 2"},
               {"id":"q1","state":"running","worker":"w1","reason":"home rank 0","queue_ms":1,"run_ms":6543.6,
               "submitted_at_ms":59000,"rows":1234,"error":null,"sql":"SELECT\n1"}]})"),
      61'000, 0);
  EXPECT_THAT(text, HasSubstr("2 workers, 1 up; 3 of 16 slots taken; 2 waiting"));
  EXPECT_THAT(text, HasSubstr("1.0 MiB of 1.0 GiB"));
  EXPECT_THAT(text, HasSubstr("1.0 GiB of 10.0 GiB, 93% hits"));
  EXPECT_THAT(text, Not(HasSubstr("off:")));
  EXPECT_THAT(text, HasSubstr("failed: NOT_FOUND"));
  EXPECT_THAT(text, HasSubstr("1,234"));
  EXPECT_THAT(text, HasSubstr("6,544"));
  EXPECT_THAT(text, HasSubstr("SELECT\\n1"));
  EXPECT_LT(text.find("q1"), text.find("q2"));  // what runs comes first
}

TEST(StatusView, SaysWhyAWorkerIsNotReady) {
  const std::string text = StatusText(Json(R"({"workers":[{"id":"w","state":"up","ready":false,
                          "not_ready_why":"S3 is away"}]})"),
                                      Json(R"({"queries":[]})"), 0, 0);
  EXPECT_THAT(text, HasSubstr("up, not ready: S3 is away"));
  EXPECT_THAT(text, HasSubstr("no queries yet"));
}

TEST(StatusView, SaysWhatAWorkersLoadIsAndWhyItIsHeldBack) {
  const std::string text = StatusText(Json(R"({"workers":[{"id":"w","state":"up","ready":true,
                          "load_ms":4321.4,"held_back":"it went down 3 times in a minute"}]})"),
                                      Json(R"({"queries":[]})"), 0, 0);
  EXPECT_THAT(text, HasSubstr("4,321"));
  EXPECT_THAT(text, HasSubstr("up, held back: it went down 3 times in a minute"));
}

TEST(StatusView, SaysThatAWorkerIsSlow) {
  const std::string text = StatusText(Json(R"({"workers":[{"id":"w","state":"up","ready":true,
                          "slow":true,"held_back":""}]})"),
                                      Json(R"({"queries":[]})"), 0, 0);
  EXPECT_THAT(text, HasSubstr("up, slow: one query at a time"));
}

TEST(StatusView, SaysWhatKeepsASlotForNobody) {
  const std::string text = StatusText(Json(R"({"workers":[{"id":"w","state":"up","ready":true,
               "slots":8,"occupied":1,"waiting":0,"stopping":1,"blocked_streams":3}]})"),
                                      Json(R"({"queries":[{"id":"q2","state":"finished"},
               {"id":"q1","state":"failed","error":{"error":"x","code":"CANCELLED"},
               "worker":"w","stopping_ms":12345}]})"),
                                      0, 0);
  EXPECT_THAT(text, HasSubstr("up, 1 stopping, 3 blocked by clients that do not read"));
  EXPECT_THAT(text, HasSubstr("query q1 on w: cancelling for 12 s: DuckDB is in a call that "
                              "cannot be interrupted\n"));
  EXPECT_LT(text.rfind("q1"), text.find("q2"));
}

TEST(StatusView, SaysWhyACacheIsOff) {
  const std::string text = StatusText(Json(R"({"workers":[{"id":"w","state":"up","ready":true,
               "cache":{"budget_bytes":1024,"used_bytes":512,"hits":0,"misses":0,
               "disabled_why":"no space left"}}]})"),
                                      Json(R"({"queries":[]})"), 0, 0);
  EXPECT_THAT(text, HasSubstr("512 B of 1.0 KiB, off: no space left"));
}

TEST(StatusView, ShowsTheLastTenThatEnded) {
  std::string queries = R"({"queries":[)";
  for (int i = 0; i < 12; ++i) {
    queries += std::string(i == 0 ? "" : ",") + R"({"id":"q)" + std::to_string(100 + i) +
               R"(","state":"finished"})";
  }
  const std::string text = StatusText(Json(R"({"workers":[]})"), Json(queries + "]}"), 0, 0);
  EXPECT_THAT(text, HasSubstr("q109"));
  EXPECT_THAT(text, Not(HasSubstr("q110")));
}

}  // namespace
}  // namespace eider::cmd
