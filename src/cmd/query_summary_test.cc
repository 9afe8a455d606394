#include "cmd/query_summary.h"

#include <gtest/gtest.h>

namespace eider::cmd {
namespace {

std::string Of(const std::string& json) {
  return QuerySummary(protocol::ParseJson(json).ValueOrDie());
}

TEST(QuerySummary, SaysWhatItCost) {
  EXPECT_EQ(Of(R"({"run_ms":56.4,"rows":1234,"s3_requests":2,"asked_bytes":1000,
                   "cache_bytes":800})"),
            "1,234 rows in 56 ms, 2 S3 requests, 80% from cache");
  EXPECT_EQ(Of(R"({"run_ms":0.4,"rows":1,"s3_requests":1,"asked_bytes":0,"cache_bytes":0})"),
            "1 row in 0 ms, 1 S3 request");
  // Never more than all of it, and all only where it was all.
  EXPECT_EQ(Of(R"({"run_ms":1,"rows":0,"s3_requests":0,"asked_bytes":1000,"cache_bytes":999})"),
            "0 rows in 1 ms, 0 S3 requests, 99% from cache");
}

TEST(QuerySummary, IsEmptyBeforeTheReport) {
  EXPECT_EQ(Of(R"({"run_ms":0.0,"rows":0})"), "");
  EXPECT_EQ(Of("{}"), "");
}

}  // namespace
}  // namespace eider::cmd
