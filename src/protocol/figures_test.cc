#include "protocol/figures.h"

#include <gtest/gtest.h>

namespace eider::protocol {
namespace {

TEST(CostNanoUsd, CountsRequestsListsAndBytesOut) {
  const S3Prices prices{
      .per_1000_requests = 400'000, .per_1000_lists = 5'000'000, .per_gb = 90'000'000};
  EXPECT_EQ(CostNanoUsd({}, prices), 0);
  EXPECT_EQ(CostNanoUsd({.s3_requests = 10}, prices), 4'000);
  // A LIST is dearer than a GET, and is among the requests.
  EXPECT_EQ(CostNanoUsd({.s3_requests = 10, .s3_list_requests = 2}, prices), 3'200 + 10'000);
  EXPECT_EQ(CostNanoUsd({.s3_bytes = 500'000'000}, prices), 45'000'000);
}

TEST(CostNanoUsd, OfALargeScanDoesNotOverflow) {
  const S3Prices prices{.per_gb = 1'000'000'000};
  EXPECT_EQ(CostNanoUsd({.s3_bytes = 1'000'000'000'000}, prices), 1'000'000'000'000);
}

TEST(CacheFigures, RefusesWhatIsNone) {
  EXPECT_FALSE(DecodeCacheFigures(Value::Struct()).ok());
  const CacheFigures figures{.budget_bytes = 1, .disabled_why = "full"};
  EXPECT_EQ(DecodeCacheFigures(EncodeCacheFigures(figures)).ValueOrDie(), figures);
}

}  // namespace
}  // namespace eider::protocol
