#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/engine_fixture.h"

namespace eider::engine {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
using ::testing::HasSubstr;
using ::testing::Not;

void Write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

// A folder with an allowed folder, an allowed file, a spill folder and a file of nobody's business.
class SandboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "eider-sandbox-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    for (const char* folder : {"open", "spill"}) fs::create_directory(root_ / folder);
    for (const char* file : {"open/a.csv", "one.csv", "one.csv.secret", "hidden.csv", "spill/x"}) {
      Write(root_ / file, "i\n1\n");
    }
    fs::create_symlink(root_ / "hidden.csv", root_ / "open/link.csv");
  }
  void TearDown() override { fs::remove_all(root_); }

  EngineOptions Options() const {
    EngineOptions options = TestOptions();
    options.temp_directory = (root_ / "spill").string();
    options.allowed_paths = {(root_ / "open").string(), (root_ / "one.csv").string()};
    options.s3.key_id = "AKIATESTTESTTEST";
    options.s3.secret_key = "o'neil's secret";
    options.s3.endpoint = "http://127.0.0.1:1";
    options.s3.path_style = true;
    return options;
  }
  std::string Path(const std::string& name) const { return "'" + (root_ / name).string() + "'"; }

  fs::path root_;
};

TEST_F(SandboxTest, ReadsWhatIsAllowed) {
  const auto engine = OpenEngine(Options());
  for (const char* file : {"open/a.csv", "one.csv", "open/*.csv"}) {
    if (std::string(file) == "open/*.csv") fs::remove(root_ / "open/link.csv");
    const auto error = ErrorFrom(*engine, Sql("SELECT * FROM " + Path(file)));
    EXPECT_FALSE(error) << file << ": " << error->message;
  }
}

TEST_F(SandboxTest, RefusesOtherFilesAndSchemes) {
  const auto engine = OpenEngine(Options());
  for (const std::string& sql :
       {std::string("FROM read_text('/etc/passwd')"), std::string("FROM glob('/etc/*')"),
        std::string("FROM read_text('file:///etc/passwd')"),
        std::string("FROM read_text('http://127.0.0.1:1/x')"),
        std::string("FROM read_text('https://127.0.0.1:1/x')"),
        std::string("FROM 'hf://datasets/a/b/c.csv'"), "FROM " + Path("hidden.csv"),
        std::string("FROM '/etc/passwd'"), std::string("SELECT * FROM './x', range(3)"),
        std::string("FROM 'FILE:/etc/passwd'"), std::string("DESCRIBE '../x'"),
        std::string("WITH t AS (FROM '/etc/passwd') FROM t"),
        "FROM read_text(" + Path("one.csv.secret") + ")",
        "FROM read_text(" + Path("open/../hidden.csv") + ")", "FROM " + Path("open/link.csv"),
        "FROM read_blob(" + Path("spill/x") + ")", "FROM glob(" + Path("spill/*") + ")"}) {
    const auto error = ErrorFrom(*engine, Sql(sql));
    ASSERT_TRUE(error) << sql;
    EXPECT_EQ(error->code, ErrorCode::kPermissionDenied) << sql << ": " << error->message;
  }
}

TEST_F(SandboxTest, ANameLikeAPathMayBeATable) {
  Write(root_ / "open/plain", "i\n1\n");
  const auto engine = OpenEngine(Options());
  const auto none = ErrorFrom(*engine, Sql("WITH \"/x\" AS (SELECT 1) FROM \"/x\""));
  EXPECT_FALSE(none) << none->message;
  // An allowed one is only not a table.
  const auto error = ErrorFrom(*engine, Sql("FROM " + Path("open/plain")));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kInvalidQuery) << error->message;
}

TEST_F(SandboxTest, WritesNoLocalFile) {
  const auto engine = OpenEngine(Options());
  for (const char* file : {"open/new.csv", "one.csv", "spill/new.csv", "elsewhere.csv"}) {
    const auto error =
        ErrorFrom(*engine, Sql("COPY (SELECT 1) TO " + Path(file), {}, /*write=*/true));
    ASSERT_TRUE(error) << file;
    EXPECT_EQ(error->code, ErrorCode::kPermissionDenied) << file << ": " << error->message;
  }
  EXPECT_FALSE(fs::exists(root_ / "open/new.csv"));
}

TEST_F(SandboxTest, SpillsWhileItsFolderIsClosed) {
  EngineOptions options = Options();
  options.memory_limit_bytes = 64 << 20;
  const auto engine = OpenEngine(options);
  const auto table =
      ReadAll(*engine, Sql("SELECT count(*) FROM (SELECT DISTINCT i, repeat('x', 40) || i "
                           "FROM range(3000000) t(i))"));
  ASSERT_TRUE(table.ok()) << table.status();
}

TEST_F(SandboxTest, RefusedFunctionsDoNotBindFromViewsOrMacros) {
  EngineOptions options = Options();
  options.init_sql =
      "CREATE MACRO sneaky(q) AS TABLE FROM query(q);"
      "CREATE VIEW secrets AS SELECT name FROM duckdb_secrets();";
  const auto engine = OpenEngine(options);
  for (const char* sql : {"FROM sneaky('SELECT 1')", "FROM secrets", "FROM duckdb_logs_parsed('x')",
                          "SELECT * FROM (SELECT 1) t, LATERAL (FROM secrets)"}) {
    const auto error = ErrorFrom(*engine, Sql(sql));
    ASSERT_TRUE(error) << sql;
    EXPECT_EQ(error->code, ErrorCode::kPermissionDenied) << sql << ": " << error->message;
    EXPECT_THAT(error->message, HasSubstr("is not allowed here"));
  }
}

TEST_F(SandboxTest, ComputedUrlsHaveNoParametersEither) {
  const auto engine = OpenEngine(Options());
  for (const char* sql : {"FROM read_text('s3://b/k?' || 's3_endpoint=127.0.0.1:1')",
                          "FROM glob('s3://b/*?S3' || '_region=x')"}) {
    const auto error = ErrorFrom(*engine, Sql(sql));
    ASSERT_TRUE(error) << sql;
    EXPECT_EQ(error->code, ErrorCode::kPermissionDenied) << error->message;
    EXPECT_THAT(error->message, HasSubstr("?s3_..."));
  }
}

TEST_F(SandboxTest, CredentialsAreNowhereToBeRead) {
  setenv("AWS_ACCESS_KEY_ID", "AKIAENVENVENVENV", 1);
  setenv("AWS_SECRET_ACCESS_KEY", "environment-secret", 1);
  const auto engine = OpenEngine(Options());
  unsetenv("AWS_ACCESS_KEY_ID");
  unsetenv("AWS_SECRET_ACCESS_KEY");
  const auto settings =
      ReadAll(*engine, Sql("SELECT name, value FROM duckdb_settings() UNION ALL "
                           "SELECT 'x', current_setting('s3_secret_access_key')::VARCHAR"));
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_THAT((*settings)->ToString(), Not(HasSubstr("secret\"")));
  EXPECT_THAT((*settings)->ToString(), Not(HasSubstr("environment-secret")));
  EXPECT_THAT((*settings)->ToString(), Not(HasSubstr("AKIA")));
  const auto error = ErrorFrom(*engine, Sql("SELECT error('AKIATESTTESTTEST o''neil''s secret')"));
  ASSERT_TRUE(error);
  EXPECT_THAT(error->message, Not(HasSubstr("AKIA")));
  EXPECT_THAT(error->message, Not(HasSubstr("neil")));
}

TEST_F(SandboxTest, SettingsOfCredentialsAreRefusedInTheInitSql) {
  EngineOptions options = Options();
  options.init_sql = "SET GLOBAL s3_secret_access_key = 'readable'";
  const auto engine = Engine::Open(options);
  ASSERT_FALSE(engine.ok());
  EXPECT_THAT(base::ErrorOf(engine.status()).message, HasSubstr("CREATE SECRET"));
}

TEST_F(SandboxTest, AWrongInitSqlIsNotQuoted) {
  EngineOptions options = Options();
  options.init_sql = "CREATE SECRET (TYPE s3, KEY_ID 'k', SECRET 'not-for-a-log' nosuch 'x');";
  const auto engine = Engine::Open(options);
  ASSERT_FALSE(engine.ok());
  const std::string message = base::ErrorOf(engine.status()).message;
  EXPECT_THAT(message, HasSubstr("syntax error at or near \"nosuch\""));
  EXPECT_THAT(message, Not(HasSubstr("not-for-a-log")));
}

TEST_F(SandboxTest, AnUnreachableStoreIsUnavailable) {
  const auto engine = OpenEngine(Options());
  const auto error = ErrorFrom(*engine, Sql("FROM read_parquet('s3://b/k.parquet')"));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kStorageUnavailable) << error->message;
  EXPECT_TRUE(error->retryable);
}

TEST_F(SandboxTest, MissingLocalFilesAreNotFound) {
  const auto engine = OpenEngine(Options());
  const auto error = ErrorFrom(*engine, Sql("FROM " + Path("open/none.csv")));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kNotFound) << error->message;
}

TEST_F(SandboxTest, TheInitSqlLoadsExtensionsByName) {
  EngineOptions options = Options();
  options.init_sql = "INSTALL tpch; LOAD TPCH; LOAD 'iceberg'; LOAD httpfs";
  const auto engine = OpenEngine(options);
  const auto loaded = ReadAll(
      *engine, Sql("SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_name IN "
                   "('dbgen', 'iceberg_scan', 'read_avro', 'delta_scan')"));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ((*loaded)->num_rows(), 3);  // delta is not loaded
  EXPECT_TRUE(ErrorFrom(*engine, Sql("LOAD delta")));
}

TEST_F(SandboxTest, WhatIsInAnExtensionSaysHowItIsLoaded) {
  const auto engine = OpenEngine(Options());
  const auto error = ErrorFrom(*engine, Sql("FROM iceberg_scan('s3://bucket/t')"));
  ASSERT_TRUE(error);
  EXPECT_THAT(error->message, HasSubstr("--init file says LOAD iceberg;"));
  EXPECT_THAT(error->message, Not(HasSubstr("INSTALL")));
  EngineOptions options = Options();
  options.init_sql = "CREATE SECRET (TYPE s3, PROVIDER credential_chain)";
  const auto unloaded = Engine::Open(options);
  ASSERT_FALSE(unloaded.ok());
  EXPECT_THAT(base::ErrorOf(unloaded.status()).message, HasSubstr("LOAD aws;"));
}

// Its extension reads the log by itself, past the file systems that the sandbox guards.
TEST_F(SandboxTest, DeltaTablesAreInS3) {
  EngineOptions options = Options();
  options.init_sql = "LOAD delta";
  const auto engine = OpenEngine(options);
  for (const std::string& table :
       {std::string("'/etc'"), Path("open"), std::string("'file:///etc'"),
        std::string("'/e'||'tc'"), std::string("'http://127.0.0.1:1/t'"), std::string("'az://a/t'"),
        std::string("'s3://b@ucket/t'"), std::string("'s3://bucket/t?x=1'")}) {
    for (const char* function : {"delta_scan(", "delta_list_files(", "main.delta_scan("}) {
      const auto error = ErrorFrom(*engine, Sql("FROM " + (function + table) + ")"));
      ASSERT_TRUE(error) << table;
      EXPECT_EQ(error->code, ErrorCode::kPermissionDenied) << table << ": " << error->message;
    }
  }
}

TEST_F(SandboxTest, OpenNamesAMissingExtension) {
  EngineOptions options = Options();
  options.extensions = {"nosuch"};
  const auto engine = Engine::Open(options);
  ASSERT_FALSE(engine.ok());
  EXPECT_THAT(base::ErrorOf(engine.status()).message, HasSubstr("nosuch"));
}

}  // namespace
}  // namespace eider::engine
