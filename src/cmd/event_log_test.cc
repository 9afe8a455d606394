#include "cmd/event_log.h"

#include <gmock/gmock.h>

#include "cmd/logging.h"

namespace eider::cmd {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

const protocol::Figures kFigures{.rows = 7,
                                 .run_us = 12'345,
                                 .s3_requests = 2,
                                 .s3_bytes = 100,
                                 .cache_bytes = 50,
                                 .cache_hits = 3,
                                 .cache_misses = 1,
                                 .cost_nanousd = 800};

// What LogEvent writes to stderr in this format.
std::string Logged(config::LogFormat format, const protocol::Value& fields) {
  testing::internal::CaptureStderr();
  StartLogging({.format = format}, "test");
  LogEvent("it ended", fields);
  return testing::internal::GetCapturedStderr();
}

TEST(EventLog, ATasksEndInText) {
  const protocol::Finished finished{.attempt = {"q.0", 2}, .error = {}, .figures = kFigures};
  EXPECT_THAT(Logged(config::LogFormat::kText, TaskEndFields(finished)),
              EndsWith("test: it ended: task=q.0 attempt=2 outcome=OK rows=7 run_ms=12.345 "
                       "s3_requests=2 s3_bytes=100 cache_bytes=50 cache_hits=3 cache_misses=1 "
                       "cost_usd=0.000000800\n"));
}

TEST(EventLog, AQuerysEndInJson) {
  coordinator::QueryRecord record;
  record.id = "q";
  record.attempts = {{1, "w1", "lost"}, {2, "w2", "stolen from w1 after 31 ms"}};
  record.queue_ms = 31;
  record.figures = kFigures;
  record.reported = true;
  const std::string line = Logged(config::LogFormat::kJson, QueryEndFields(record));
  const auto object = protocol::ParseJson(line).ValueOrDie();
  EXPECT_EQ(object.Find("message")->text, "it ended");
  EXPECT_EQ(object.Find("worker")->text, "w2");
  EXPECT_EQ(object.Find("reason")->text, "stolen from w1 after 31 ms");
  EXPECT_EQ(object.Find("queue_ms")->text, "31");
  EXPECT_EQ(object.Find("cost_usd")->text, "0.000000800");
}

TEST(EventLog, QuotesWhatHasBlanksAndLeavesOutWhatIsNotKnown) {
  coordinator::QueryRecord record;
  record.id = "q";
  record.attempts = {{1, "w1", "home rank 0"}};
  record.error = base::ErrorInfo{.code = base::ErrorCode::kWorkerLost, .message = "x"};
  const std::string line = Logged(config::LogFormat::kText, QueryEndFields(record));
  EXPECT_THAT(line, HasSubstr("outcome=WORKER_LOST worker=w1 reason=\"home rank 0\""));
  EXPECT_THAT(line, Not(HasSubstr("rows=")));
  record.attempts.clear();
  record.reported = true;
  EXPECT_THAT(Logged(config::LogFormat::kText, QueryEndFields(record)),
              EndsWith("query=q outcome=WORKER_LOST\n"));
}

}  // namespace
}  // namespace eider::cmd
