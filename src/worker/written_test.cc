#include "worker/written.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eider::worker {
namespace {

using ::testing::ElementsAre;

TEST(Shorten, LeavesAFewAsTheyAre) {
  EXPECT_THAT(Shorten({}, 2), ElementsAre());
  EXPECT_THAT(Shorten({"s3://b/k", "s3://a/p/", "s3://b/k"}, 2),
              ElementsAre("s3://a/p/", "s3://b/k"));
}

TEST(Shorten, NamesFoldersWhereThereAreManyFiles) {
  EXPECT_THAT(Shorten({"s3://b/x/1", "s3://b/x/2", "s3://b/y/1"}, 2),
              ElementsAre("s3://b/x/", "s3://b/y/"));
  EXPECT_THAT(Shorten({"s3://b/x/1", "s3://b/y/1", "s3://b/z/w/1"}, 1), ElementsAre("s3://b/"));
  EXPECT_THAT(Shorten({"s3://b/1", "s3://b/2"}, 1), ElementsAre("s3://b/"));
}

TEST(Shorten, EndsAtTheBuckets) {
  EXPECT_THAT(Shorten({"s3://a/1", "s3://b/1", "s3://c/1"}, 2), ElementsAre("s3://a/", "s3://b/"));
}

}  // namespace
}  // namespace eider::worker
