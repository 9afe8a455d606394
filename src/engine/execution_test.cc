#include <arrow/api.h>
#include <arrow/c/bridge.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <thread>

#include "base/error.h"
#include "duckdb.hpp"
#include "duckdb/common/arrow/result_arrow_wrapper.hpp"
#include "engine/batches.h"
#include "engine/engine.h"
#include "engine/engine_fixture.h"

namespace eider::engine {
namespace {

using base::ErrorCode;
using ::testing::HasSubstr;

EngineOptions Bare() {
  EngineOptions options = TestOptions();
  options.extensions = {};
  return options;
}

// What DuckDB's own export gives for the query.
std::shared_ptr<arrow::Table> Plain(const std::string& sql) {
  duckdb::DuckDB database(nullptr);
  duckdb::Connection connection(database);
  auto* wrapper = new duckdb::ResultArrowArrayStreamWrapper(connection.SendQuery(sql), 122'880);
  auto reader = arrow::ImportRecordBatchReader(&wrapper->stream);
  EXPECT_TRUE(reader.ok()) << reader.status();
  auto table = (*reader)->ToTable();
  EXPECT_TRUE(table.ok()) << table.status();
  return *table;
}

class ExecutionTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { engine_ = OpenEngine(Bare()).release(); }
  static void TearDownTestSuite() { delete engine_; }

  static std::unique_ptr<Execution> Start(const std::string& sql) {
    auto execution = engine_->Execute(Sql(sql));
    EXPECT_TRUE(execution.ok()) << execution.status();
    return execution.ok() ? std::move(*execution) : nullptr;
  }

  static Engine* engine_;
};
Engine* ExecutionTest::engine_ = nullptr;

TEST_F(ExecutionTest, EveryTypeIsWhatDuckDBExports) {
  const std::string sql = "SELECT * FROM test_all_types()";
  const auto plain = Plain(sql);
  const auto ours = ReadAll(*engine_, Sql(sql));
  ASSERT_TRUE(ours.ok()) << ours.status();
  EXPECT_TRUE((*ours)->schema()->Equals(*plain->schema(), /*check_metadata=*/true));
  ASSERT_EQ((*ours)->num_columns(), plain->num_columns());
  EXPECT_GT(plain->num_columns(), 50);
  for (int i = 0; i < plain->num_columns(); ++i) {
    EXPECT_TRUE((*ours)->column(i)->Equals(*plain->column(i),
                                           arrow::EqualOptions::Defaults().nans_equal(true)))
        << plain->field(i)->ToString();
  }
}

TEST_F(ExecutionTest, ATypeWithoutAnExportNamesTheCast) {
  const auto error = ErrorFrom(*engine_, Sql("SELECT 1 AS a, 2::VARIANT AS \"my col\""));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kInvalidQuery);
  EXPECT_THAT(error->message, HasSubstr("\"my col\" is of type VARIANT"));
  EXPECT_THAT(error->message, HasSubstr("CAST(\"my col\" AS VARCHAR)"));
  EXPECT_FALSE(ErrorFrom(*engine_, Sql("SELECT CAST(2::VARIANT AS VARCHAR)")));
  EXPECT_FALSE(ErrorFrom(*engine_, Sql("SELECT CAST(2::VARIANT AS JSON)")));
}

TEST_F(ExecutionTest, NoRowsHaveASchemaAndAnEnd) {
  const auto execution = Start("SELECT 1 AS a, 'x' AS b WHERE false");
  EXPECT_EQ(execution->schema()->num_fields(), 2);
  EXPECT_EQ(*execution->Next(), nullptr);
  EXPECT_EQ(*execution->Next(), nullptr);
}

TEST_F(ExecutionTest, TenThousandColumns) {
  std::string sql = "SELECT 0 AS c0";
  for (int i = 1; i < 10'000; ++i) sql += ", " + std::to_string(i) + " AS c" + std::to_string(i);
  const auto table = ReadAll(*engine_, Sql(sql));
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ((*table)->num_columns(), 10'000);
}

TEST_F(ExecutionTest, BatchesEndAtTheRowBound) {
  const auto execution = Start("SELECT i FROM range(300000) t(i)");
  int64_t rows = 0;
  int64_t batches = 0;
  while (const auto batch = *execution->Next()) {
    EXPECT_LE(batch->num_rows(), kMaxBatchRows);
    rows += batch->num_rows();
    ++batches;
  }
  EXPECT_EQ(rows, 300'000);
  EXPECT_EQ(batches, 3);
  EXPECT_EQ(execution->figures().rows, rows);
  EXPECT_EQ(execution->figures().batches, batches);
  EXPECT_GE(execution->figures().run_us, execution->figures().first_batch_us);
}

TEST_F(ExecutionTest, BatchesEndAtTheByteBound) {
  for (const char* sql : {"SELECT repeat('x', 10000) AS s FROM range(5000)",
                          "SELECT [repeat('x', 5000), repeat('y', 5000)] AS s FROM range(5000)",
                          "SELECT {'a': [{'b': repeat('x', 10000)}]} AS s FROM range(5000)",
                          "SELECT range(1250) AS s FROM range(5000)"}) {
    const auto execution = Start(sql);
    int64_t rows = 0;
    while (const auto batch = *execution->Next()) {
      EXPECT_LE(batch->num_rows(), kMaxBatchBytes / 10'000) << sql;
      EXPECT_GE(batch->num_rows(), rows == 0 ? 400 : 1) << sql;
      rows += batch->num_rows();
    }
    EXPECT_EQ(rows, 5000) << sql;
  }
}

TEST_F(ExecutionTest, ALargeRowGoesAlone) {
  const auto execution = Start(
      "SELECT CASE WHEN i = 5 THEN repeat('x', 9000000) ELSE 'y' END AS s FROM range(10) t(i)");
  std::vector<int64_t> rows;
  while (const auto batch = *execution->Next()) rows.push_back(batch->num_rows());
  EXPECT_THAT(rows, ::testing::ElementsAre(5, 1, 4));
}

class OrderTest : public ExecutionTest, public ::testing::WithParamInterface<int> {
 protected:
  OrderTest() {
    std::string folder = (std::filesystem::temp_directory_path() / "eider-order-XXXXXX").string();
    folder_ = mkdtemp(folder.data());
    file_ = "'" + folder_ + "/rows.parquet'";
    duckdb::DuckDB plain(nullptr);
    duckdb::Connection(plain).Query(
        "COPY (SELECT i, 'row ' || i AS s FROM range(200000) t(i)) TO " + file_ +
        " (ROW_GROUP_SIZE " + std::to_string(GetParam()) + ")");
  }
  ~OrderTest() override { std::filesystem::remove_all(folder_); }

  // Whether `sql` gives i = 0, step, 2 * step, ... in `rows` rows, each time.
  void ExpectInOrder(const std::string& sql, int64_t rows, int64_t step) {
    EngineOptions options = Bare();
    options.threads = 4;
    options.allowed_paths = {folder_};
    const auto engine = OpenEngine(options);
    for (int round = 0; round < 3; ++round) {
      const auto table = ReadAll(*engine, Sql(sql));
      ASSERT_TRUE(table.ok()) << table.status();
      ASSERT_EQ((*table)->num_rows(), rows);
      int64_t next = 0;
      for (const auto& chunk : (*table)->column(1)->chunks()) {
        const auto& numbers = static_cast<const arrow::Int64Array&>(*chunk);
        for (int64_t i = 0; i < numbers.length(); ++i, next += step) {
          ASSERT_EQ(numbers.Value(i), next) << sql;
        }
      }
    }
  }

  std::string folder_;
  std::string file_;
};

// In row groups of one chunk and of several: DuckDB counts batches by them.
INSTANTIATE_TEST_SUITE_P(RowGroups, OrderTest, ::testing::Values(2'048, 5'000, 122'880));

TEST_P(OrderTest, ParallelScansKeepTheirOrder) {
  ExpectInOrder("SELECT s, i FROM " + file_, 200'000, 1);
  ExpectInOrder("SELECT s, i FROM " + file_ + " WHERE i % 50 = 0", 4'000, 50);
  ExpectInOrder("SELECT s, i FROM " + file_ + " WHERE i < 100000 UNION ALL SELECT s, i FROM " +
                    file_ + " WHERE i >= 100000",
                200'000, 1);
  // Wider than the queue between DuckDB's tasks and the batches.
  ExpectInOrder("SELECT repeat(s, 30), i FROM " + file_, 200'000, 1);
}

TEST_P(OrderTest, SortedOutputKeepsItsOrder) {
  ExpectInOrder("SELECT s, i FROM (FROM " + file_ + " ORDER BY i DESC) ORDER BY i", 200'000, 1);
}

TEST_F(ExecutionTest, MegabyteStrings) {
  const auto execution = Start("SELECT repeat('x', 1000000) AS s FROM range(100)");
  int64_t rows = 0;
  while (const auto batch = *execution->Next()) {
    EXPECT_LE(batch->num_rows(), 4);
    rows += batch->num_rows();
  }
  EXPECT_EQ(rows, 100);
}

// What a filter leaves of structs is known by a selection, which holds for their fields too.
TEST_F(ExecutionTest, BatchesOfWhatAFilterLeavesEndAtTheByteBound) {
  const auto execution = Start(
      "SELECT st FROM (SELECT i, {'t': CASE WHEN i % 4 = 1 THEN repeat('x', 10000) ELSE 'y' END} "
      "AS st FROM range(20000) t(i)) WHERE i % 2 = 1");
  int64_t rows = 0;
  while (const auto batch = *execution->Next()) {
    EXPECT_LE(batch->num_rows(), 2 * kMaxBatchBytes / 10'000);
    rows += batch->num_rows();
  }
  EXPECT_EQ(rows, 10'000);
}

// One string in all rows is none of their number until it is copied.
TEST_F(ExecutionTest, AStringInManyRowsTakesNoMemoryOfItsOwn) {
  const auto peak_mib = [] {
    std::ifstream status("/proc/self/status");
    std::string line;
    while (std::getline(status, line)) {
      if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6)) >> 10;
    }
    return 0LL;
  };
  std::ofstream("/proc/self/clear_refs") << "5";
  const auto before = peak_mib();
  const auto execution = Start(
      "SELECT s, i FROM (SELECT repeat('x', 1000000 + (i % 2)::INT) AS s FROM range(2) t(i)) u, "
      "range(1000) v(i)");
  int64_t rows = 0;
  while (const auto batch = *execution->Next()) rows += batch->num_rows();
  EXPECT_EQ(rows, 2'000);
  EXPECT_LT(peak_mib() - before, 200);
}

TEST_F(ExecutionTest, TheFirstBatchComesBeforeTheLastIsComputed) {
  // The whole would take days.
  const auto execution = Start("SELECT i FROM range(1000000000000000) t(i)");
  const auto batch = execution->Next();
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ((*batch)->num_rows(), kMaxBatchRows);
}

TEST_F(ExecutionTest, AnErrorOnTheWayIsNoEnd) {
  const auto execution = Start(
      "SELECT CASE WHEN i = 500000 THEN error('too far') ELSE i::VARCHAR END FROM "
      "range(1000000) t(i)");
  arrow::Status status;
  while (status.ok()) {
    const auto batch = execution->Next();
    status = batch.status();
    ASSERT_FALSE(batch.ok() && *batch == nullptr) << "a short end";
  }
  EXPECT_EQ(base::ErrorOf(status).code, ErrorCode::kInvalidQuery);
  EXPECT_THAT(base::ErrorOf(status).message, HasSubstr("too far"));
  EXPECT_FALSE(execution->Next().ok());
}

// A task that fails interrupts the others: a stream must not be told that only. With so many
// threads most tasks are not run by the one that is in Next().
TEST_F(ExecutionTest, AnErrorOfAnotherThreadKeepsItsWords) {
  EngineOptions options = Bare();
  options.threads = 8;
  const auto engine = OpenEngine(options);
  for (int round = 0; round < 40; ++round) {
    const auto error =
        ErrorFrom(*engine, Sql("SELECT CASE WHEN i = " + std::to_string(round * 2'000) +
                               " THEN error('too far') ELSE i::VARCHAR || repeat('x', 100) END "
                               "FROM (SELECT DISTINCT i FROM range(80000) t(i))"));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, ErrorCode::kInvalidQuery);
    EXPECT_THAT(error->message, HasSubstr("too far"));
  }
}

TEST_F(ExecutionTest, CancelBeforeNext) {
  const auto execution = Start("SELECT count(*) FROM range(100000000000)");
  execution->Cancel();
  const auto batch = execution->Next();
  ASSERT_FALSE(batch.ok());
  EXPECT_EQ(base::ErrorOf(batch.status()).code, ErrorCode::kCancelled);
}

TEST_F(ExecutionTest, CancelFromAnotherThread) {
  const auto execution = Start("SELECT count(*) FROM range(100000000000)");
  std::thread canceller([&] { execution->Cancel(); });
  const auto batch = execution->Next();
  canceller.join();
  ASSERT_FALSE(batch.ok());
  EXPECT_EQ(base::ErrorOf(batch.status()).code, ErrorCode::kCancelled);
}

// PIVOT finds its columns while it is bound, by a query that would take very long here.
TEST_F(ExecutionTest, InterruptedWhileItBinds) {
  std::promise<std::function<void()>> interruptible;
  Statement statement = Sql("PIVOT (SELECT i % 3 AS a, i FROM range(200000000000) t(i)) ON a");
  statement.on_interruptible = [&](std::function<void()> interrupt) {
    interruptible.set_value(std::move(interrupt));
  };
  auto bound = std::async(std::launch::async, [&] { return engine_->Execute(statement).status(); });
  const std::function<void()> interrupt = interruptible.get_future().get();
  // As the worker's watchdog does: one may fall between two of DuckDB's phases.
  do {
    interrupt();
  } while (bound.wait_for(std::chrono::milliseconds(5)) != std::future_status::ready);
  EXPECT_EQ(base::ErrorOf(bound.get()).code, ErrorCode::kCancelled);
  interrupt();  // after the end: nothing
}

TEST_F(ExecutionTest, InterruptedBeforeItBinds) {
  auto engine = OpenEngine(Bare());
  Statement statement = Sql("SELECT 42");
  std::function<void()> kept;
  statement.on_interruptible = [&](std::function<void()> interrupt) {
    interrupt();
    kept = std::move(interrupt);
  };
  EXPECT_EQ(base::ErrorOf(engine->Execute(statement).status()).code, ErrorCode::kCancelled);
  engine.reset();
  kept();
}

TEST_F(ExecutionTest, CancelInMidStream) {
  const auto execution = Start("SELECT i FROM range(1000000000000) t(i)");
  ASSERT_TRUE(execution->Next().ok());
  execution->Cancel();
  EXPECT_EQ(base::ErrorOf(execution->Next().status()).code, ErrorCode::kCancelled);
}

TEST_F(ExecutionTest, EndsEarlyWithoutHarm) {
  Start("SELECT i FROM range(1000000000000) t(i)");
  const auto execution = Start("SELECT i FROM range(1000000000000) t(i)");
  ASSERT_TRUE(execution->Next().ok());
}

TEST_F(ExecutionTest, ABatchOutlivesItsExecution) {
  std::shared_ptr<arrow::RecordBatch> batch;
  {
    const auto execution = Start("SELECT repeat('x', 100) AS s FROM range(10)");
    batch = *execution->Next();
  }
  EXPECT_TRUE(batch->ValidateFull().ok());
  EXPECT_EQ(batch->num_rows(), 10);
}

TEST_F(ExecutionTest, PivotAndItsLike) {
  for (const char* sql :
       {"PIVOT (SELECT i % 3 AS k, i FROM range(10) t(i)) ON k USING sum(i)",
        "UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b", "DESCRIBE SELECT 1", "SHOW TABLES",
        "SUMMARIZE SELECT 1 AS a", "FROM range(3)", "VALUES (1)", "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT 1", "WITH c AS (SELECT 1) FROM c"}) {
    const auto error = ErrorFrom(*engine_, Sql(sql));
    EXPECT_FALSE(error) << sql << ": " << error->message;
  }
}

TEST_F(ExecutionTest, ErrorsKeepDuckDBsWordsAndPosition) {
  const auto unknown = ErrorFrom(*engine_, Sql("SELECT nosuch FROM range(1)"));
  EXPECT_EQ(unknown->code, ErrorCode::kInvalidQuery);
  EXPECT_THAT(unknown->message, HasSubstr("LINE 1: SELECT nosuch"));
  EXPECT_EQ(ErrorFrom(*engine_, Sql("SELECT nosuch(1)"))->code, ErrorCode::kInvalidQuery);
}

TEST_F(ExecutionTest, MemoryPastTheLimitIsExhausted) {
  EngineOptions options = Bare();
  options.memory_limit_bytes = 32 << 20;
  const auto engine = OpenEngine(options);
  const auto error = ErrorFrom(
      *engine,
      Sql("SELECT count(*) FROM (SELECT DISTINCT i, i || 'abc' FROM range(9000000) t(i))"));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kResourceExhausted) << error->message;
  EXPECT_FALSE(engine->fatal());
}

TEST_F(ExecutionTest, ManyAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        const auto table = ReadAll(*engine_, Sql("SELECT sum(i) FROM range(1000) t(i)"));
        if (!table.ok()) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
}

}  // namespace
}  // namespace eider::engine
