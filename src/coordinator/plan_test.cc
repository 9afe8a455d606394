#include "coordinator/plan.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace eider::coordinator {
namespace {

TEST(KeyOf, OneFileIsItsUrl) {
  EXPECT_EQ(KeyOf({"s3://b/k.parquet"}), "s3://b/k.parquet");
  EXPECT_EQ(KeyOf({}), std::nullopt);
}

TEST(KeyOf, AGlobIsItsFixedPrefix) {
  EXPECT_EQ(KeyOf({"s3://b/d/year=*/part-?.parquet"}), "s3://b/d/");
  EXPECT_EQ(KeyOf({"s3://b/d/x[0-9].parquet"}), "s3://b/d/");
}

TEST(KeyOf, AListIsOneKey) {
  EXPECT_NE(KeyOf({"s3://b/1", "s3://b/2"}), KeyOf({"s3://b/1", "s3://b/3"}));
}

TEST(PlanQuery, AListIsOneKeyWhateverItsOrder) {
  protocol::Query query;
  query.sql = "SELECT 1";
  query.files = {"s3://b/2", "s3://b/1", "s3://b/2"};
  EXPECT_EQ(PlanQuery(query)->key, KeyOf({"s3://b/1", "s3://b/2"}));
  EXPECT_EQ(PlanQuery(query)->files, (std::vector<std::string>{"s3://b/1", "s3://b/2"}));
}

TEST(PlanQuery, JoinsTheClientsListWithWhatTheSqlNames) {
  protocol::Query query;
  query.sql = "SELECT * FROM read_parquet(?)";
  query.arguments.positional = {protocol::Value::String("s3://b/k")};
  EXPECT_EQ(PlanQuery(query)->key, "s3://b/k");
  query.files = {"s3://b/k"};
  EXPECT_EQ(PlanQuery(query)->key, "s3://b/k");
  query.files = {"s3://b/other"};
  EXPECT_EQ(PlanQuery(query)->key, KeyOf({"s3://b/k", "s3://b/other"}));
}

TEST(PlanQuery, ComputedPathsHaveNoKeyUnlessTheClientNamesThem) {
  protocol::Query query;
  query.sql = "SELECT * FROM read_parquet('s3://b/' || 'k')";
  EXPECT_EQ(PlanQuery(query)->key, std::nullopt);
  query.files = {"s3://b/k"};
  EXPECT_EQ(PlanQuery(query)->key, "s3://b/k");
}

TEST(PlanQuery, PastTheCacheNoWorkerIsBetterForAFile) {
  protocol::Query query;
  query.sql = "SELECT * FROM read_parquet('s3://b/k')";
  for (const auto mode :
       {protocol::CacheMode::kUse, protocol::CacheMode::kPassive, protocol::CacheMode::kRefresh}) {
    query.cache_mode = mode;
    EXPECT_EQ(PlanQuery(query)->key, "s3://b/k");
  }
  query.cache_mode = protocol::CacheMode::kOff;
  EXPECT_EQ(PlanQuery(query)->key, std::nullopt);
  EXPECT_EQ(PlanQuery(query)->files, (std::vector<std::string>{"s3://b/k"}));
}

TEST(PlanQuery, RefusesS3ParametersInTheClientsListToo) {
  protocol::Query query;
  query.sql = "SELECT 42";
  query.files = {"s3://b/k?s3_endpoint=evil:1"};
  const auto plan = PlanQuery(query);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(base::ErrorOf(plan.status()).code, base::ErrorCode::kPermissionDenied);
  EXPECT_EQ(plan.status().message().find("evil"), std::string::npos);
}

TEST(PlanQuery, KnowsWhatWrites) {
  protocol::Query query;
  query.sql = "COPY (SELECT 1) TO 's3://b/k.parquet'";
  EXPECT_FALSE(PlanQuery(query).ok());
  query.write = true;
  EXPECT_TRUE(PlanQuery(query)->writes);
}

}  // namespace
}  // namespace eider::coordinator
