#include "cmd/explain_view.h"

#include <gmock/gmock.h>

namespace eider::cmd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Shown(const std::string& json) {
  return ExplainText(protocol::ParseJson(json).ValueOrDie(), 0);
}

TEST(ExplainView, SaysTheChoiceAndShowsWhatWasLookedAt) {
  const std::string text = Shown(
      R"({"key":"s3://b/k","files":["s3://b/k"],"writes":false,"cost_ms":3.25,"hot":true,
          "steal_after_ms":10,"worker":"w2","waits":false,"cache_mode":"passive",
          "reason":"overflow rank 1: owner w1 is full","workers":[
          {"id":"w1","rank":0,"home":true,"slots":2,"occupied":2,"waiting":7,"load_ms":12345.6,
           "bound_ms":80.4,"passed_over":"it is full"},
          {"id":"w2","rank":1,"home":false,"slots":2,"occupied":0,"waiting":0,"load_ms":0.04,
           "bound_ms":null,"passed_over":""}],
          "held_back":[{"id":"w3","why":"it drains"}]})");
  EXPECT_THAT(text, StartsWith("w2 would run it at once: overflow rank 1: owner w1 is full\n"
                               "key: s3://b/k (hot: it has one home more)\n"
                               "expected to take 3.3 ms, cache mode passive, may be stolen after "
                               "waiting 10 ms\n"));
  EXPECT_THAT(text, HasSubstr("held back: w3, as it drains\n"));
  EXPECT_THAT(text, HasSubstr("│    0 │ w1     │ home │   2/2 │    7 │  12,346 │       80 │ it is "
                              "full"));
  EXPECT_THAT(text, HasSubstr("│    1 │ w2     │      │   0/2 │    0 │     0.0 │     none │ it is "
                              "this one"));
}

TEST(ExplainView, SaysThatItWouldWaitOrBeRefused) {
  EXPECT_THAT(Shown(R"({"key":null,"worker":"w1","waits":true,"reason":"least loaded"})"),
              StartsWith("it would wait in the line of w1: least loaded\nkey: none"));
  EXPECT_THAT(Shown(R"({"key":null,"worker":"","reason":"no worker is up","workers":[]})"),
              StartsWith("no worker would take it: no worker is up\n"));
}

}  // namespace
}  // namespace eider::cmd
