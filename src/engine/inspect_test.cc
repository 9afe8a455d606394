#include "engine/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/paths.h"

namespace eider::engine {
namespace {

using base::ErrorCode;
using protocol::Arguments;
using protocol::Value;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Files(const std::string& sql, const Arguments& arguments = {}) {
  const auto inspection = Inspect(sql, arguments, false);
  EXPECT_TRUE(inspection.ok()) << sql << ": " << inspection.status();
  return inspection.ok() ? inspection->files : std::vector<std::string>{};
}

base::ErrorInfo ErrorOf(const std::string& sql, bool write = false) {
  const auto inspection = Inspect(sql, {}, write);
  EXPECT_FALSE(inspection.ok()) << sql;
  return inspection.ok() ? base::ErrorInfo{} : base::ErrorOf(inspection.status());
}

TEST(InspectTest, FindsLiterals) {
  EXPECT_THAT(Files("SELECT * FROM read_parquet('s3://b/a')"), ElementsAre("s3://b/a"));
  EXPECT_THAT(Files("FROM 's3://b/*.parquet'"), ElementsAre("s3://b/*.parquet"));
  EXPECT_THAT(Files("FROM \"s3://b/a\""), ElementsAre("s3://b/a"));
  EXPECT_THAT(Files("FROM 'local.csv.gz'"), ElementsAre("local.csv.gz"));
  EXPECT_THAT(Files("FROM READ_CSV(['s3://b/1', 's3://b/2', 's3://b/1'], header = true)"),
              ElementsAre("s3://b/1", "s3://b/2"));
  EXPECT_THAT(Files("FROM read_parquet(filename = true, 's3://b/a')"), ElementsAre("s3://b/a"));
  EXPECT_THAT(Files("SELECT 's3://b/a' FROM t"), IsEmpty());
}

TEST(InspectTest, FindsArguments) {
  const Arguments positional{.positional = {Value::Integer(1), Value::String("s3://b/a")},
                             .named = {}};
  EXPECT_THAT(Files("SELECT ? FROM read_parquet(?)", positional), ElementsAre("s3://b/a"));
  EXPECT_THAT(Files("SELECT $1 FROM read_parquet($2)", positional), ElementsAre("s3://b/a"));
  const Arguments named{
      .positional = {},
      .named = {{"f", Value::List({Value::String("s3://b/1"), Value::String("s3://b/2")})}}};
  EXPECT_THAT(Files("FROM read_parquet($F)", named), ElementsAre("s3://b/1", "s3://b/2"));
}

TEST(InspectTest, NamesATableByItsFolder) {
  for (const char* sql : {"FROM iceberg_scan('s3://b/t')", "FROM ICEBERG_SCAN('s3://b/t//')",
                          "FROM iceberg_scan('s3://b/t/metadata/v7.metadata.json', version = '7')",
                          "SELECT 1 FROM iceberg_snapshots('s3://b/t'), delta_scan('s3://b/t/')"}) {
    const auto seen = Inspect(sql, {}, false);
    ASSERT_TRUE(seen.ok()) << seen.status();
    EXPECT_THAT(seen->files, ElementsAre("s3://b/t")) << sql;
  }
  // Of other functions a file is a file.
  const auto seen =
      Inspect("FROM iceberg_scan('s3://b/t/'), read_json('s3://b/metadata/x.json')", {}, false);
  ASSERT_TRUE(seen.ok()) << seen.status();
  EXPECT_THAT(seen->files, ::testing::UnorderedElementsAre("s3://b/t", "s3://b/metadata/x.json"));
}

TEST(InspectTest, FindsThemInAnyNesting) {
  for (const char* sql : {
           "WITH c AS (FROM 's3://b/a') SELECT * FROM c",
           "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i FROM c, 's3://b/a') FROM c",
           "SELECT (SELECT max(x) FROM 's3://b/a')",
           "SELECT 1 WHERE EXISTS (FROM 's3://b/a')",
           "SELECT 1 ORDER BY (SELECT max(x) FROM 's3://b/a')",
           "SELECT 1 UNION ALL SELECT x FROM 's3://b/a'",
           "FROM t JOIN (SELECT * FROM 's3://b/a') u USING (i)",
           "SELECT [x IN (FROM 's3://b/a') FOR x IN [1]]",
           "PIVOT 's3://b/a' ON x USING sum(y)",
           "UNPIVOT 's3://b/a' ON x, y",
           "DESCRIBE FROM 's3://b/a'",
           "DESCRIBE 's3://b/a'",
           "SUMMARIZE 's3://b/a'",
           "EXPLAIN ANALYZE FROM 's3://b/a'",
           "VALUES ((SELECT 1 FROM 's3://b/a'))",
       }) {
    EXPECT_THAT(Files(sql), ElementsAre("s3://b/a")) << sql;
  }
}

TEST(InspectTest, SaysWhatIsComputed) {
  for (const char* sql :
       {"FROM read_parquet('s3://b/' || 'a')", "FROM read_parquet(getvariable('v'))",
        "FROM read_parquet(['s3://b/a', lower('X')])", "FROM read_text((SELECT 's3://b'))"}) {
    const auto inspection = Inspect(sql, {}, false);
    ASSERT_TRUE(inspection.ok()) << inspection.status();
    EXPECT_TRUE(inspection->computed_paths) << sql;
  }
  EXPECT_FALSE(Inspect("FROM read_parquet('s3://b/a')", {}, false)->computed_paths);
}

TEST(InspectTest, RefusesStatementsOfOtherKinds) {
  for (const char* sql :
       {"COPY t TO 's3://b/x'", "COPY t FROM 's3://b/x'", "CREATE TABLE t AS SELECT 1",
        "SET threads = 1", "RESET threads", "ATTACH 'x.db'", "PRAGMA version", "CALL range(1)",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO 's3://b/x'", "EXPLAIN CREATE TABLE t (i INTEGER)",
        "INSERT INTO t VALUES (1)", "USE x", "BEGIN", "EXPORT DATABASE 'x'", "CHECKPOINT",
        "CREATE TABLE t AS PIVOT x ON y USING sum(z)", "VACUUM", "PREPARE p AS SELECT 1"}) {
    const base::ErrorInfo error = ErrorOf(sql);
    EXPECT_EQ(error.code, ErrorCode::kInvalidQuery) << sql;
    EXPECT_THAT(error.message, HasSubstr("SELECT")) << sql;
    EXPECT_THAT(error.message, HasSubstr("/write")) << sql;
  }
}

TEST(InspectTest, WritesOnTheWritePathOnly) {
  const auto copy = Inspect("COPY (FROM 's3://b/a') TO 's3://b/x' (FORMAT parquet)", {}, true);
  ASSERT_TRUE(copy.ok()) << copy.status();
  EXPECT_TRUE(copy->writes);
  EXPECT_THAT(copy->files, ElementsAre("s3://b/a"));
  EXPECT_FALSE(Inspect("SELECT 1", {}, true)->writes);
  EXPECT_EQ(ErrorOf("CREATE TABLE t (i INTEGER)", true).code, ErrorCode::kInvalidQuery);
  EXPECT_EQ(ErrorOf("COPY t FROM 's3://b/x'", true).code, ErrorCode::kInvalidQuery);
  EXPECT_EQ(ErrorOf("COPY (SELECT 1) TO 's3://b/x?s3_endpoint=h'", true).code,
            ErrorCode::kPermissionDenied);
}

TEST(InspectTest, WantsOneStatement) {
  for (const char* sql : {"", " ; ", "-- nothing", "SELECT 1; SELECT 2"}) {
    EXPECT_EQ(ErrorOf(sql).code, ErrorCode::kInvalidQuery) << sql;
  }
  EXPECT_TRUE(Inspect("SELECT 1;", {}, false).ok());
}

TEST(InspectTest, KeepsTheSyntaxErrorsPosition) {
  const base::ErrorInfo error = ErrorOf("SELECT 1 FORM x y");
  EXPECT_EQ(error.code, ErrorCode::kInvalidQuery);
  EXPECT_THAT(error.message, HasSubstr("syntax error at or near"));
  EXPECT_THAT(error.message, HasSubstr("LINE 1: SELECT 1 FORM x y"));
  EXPECT_THAT(error.message, HasSubstr("^"));
}

TEST(InspectTest, RefusesExtensionsAndFunctions) {
  for (const char* sql :
       {"INSTALL httpfs", "LOAD httpfs", "FORCE INSTALL x", "FROM query('SELECT 1')",
        "FROM QUERY('SELECT 1')", "FROM \"Query\"('SELECT 1')",
        "FROM system.main.query('SELECT 1')", "FROM query_table('t')", "FROM duckdb_secrets()",
        "FROM which_secret('s3://b', 's3')",
        "WITH c AS (SELECT (SELECT 1 FROM duckdb_secrets())) FROM c",
        "EXPLAIN ANALYZE FROM query('SELECT 1')", "SELECT getenv('HOME')",
        "DESCRIBE FROM duckdb_secrets()"}) {
    EXPECT_EQ(ErrorOf(sql).code, ErrorCode::kPermissionDenied) << sql;
  }
  EXPECT_THAT(ErrorOf("FROM Query_Table('t')").message, HasSubstr("query_table"));
}

TEST(InspectTest, RefusesWhatDuckDBWouldNotReadToItsEnd) {
  const base::ErrorInfo error = ErrorOf(std::string("SELECT 1\0, 2", 12));
  EXPECT_EQ(error.code, ErrorCode::kInvalidQuery);
  EXPECT_THAT(error.message, HasSubstr("byte 8"));
}

TEST(InspectTest, RefusesS3Parameters) {
  for (const char* url :
       {"s3://b/k?s3_endpoint=h", "s3://b/k?S3_Region=x", "s3://b/k?x=1&s3_use_ssl=false",
        "s3://b/k?%73%33_endpoint=h", "s3://b/k?%2573%2533_endpoint=h", "s3a://b/k?+s3_x=1"}) {
    EXPECT_TRUE(HasS3Parameters(url)) << url;
    EXPECT_EQ(ErrorOf("FROM read_parquet('" + std::string(url) + "')").code,
              ErrorCode::kPermissionDenied);
    EXPECT_EQ(ErrorOf("FROM '" + std::string(url) + "'").code, ErrorCode::kPermissionDenied);
  }
  for (const char* url : {"s3://b/k", "s3://b/part-?.parquet", "s3://b/?/s3_data", "s3://b/s3_x"}) {
    EXPECT_FALSE(HasS3Parameters(url)) << url;
  }
}

}  // namespace
}  // namespace eider::engine
