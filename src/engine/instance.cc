#include <algorithm>
#include <utility>

#include "base/error.h"
#include "duckdb.hpp"
#include "duckdb/common/virtual_file_system.hpp"
#include "duckdb/main/config.hpp"
#include "duckdb/main/valid_checker.hpp"
#include "duckdb/storage/buffer_manager.hpp"
#include "duckdb/storage/object_cache.hpp"
#include "engine/engine.h"
#include "engine/errors.h"
#include "engine/execution.h"
#include "engine/local_file_system.h"
#include "engine/paths.h"
#include "engine/read_path.h"
#include "engine/sandbox.h"

namespace eider::engine {
namespace {

// DuckDB's count of threads: its own, and those that call it. The fewer, the longer are the steps
// in which it does not look at its interrupt. From three on, the table of a hash aggregate never
// doubles in place (0.9 s at 20 million groups with two, and three times as long in all); the table
// of a join is filled in as many pieces as there are threads.
constexpr int kFewestThreads = 3;
constexpr int kEnoughThreads = 8;
// A stream whose client is slow holds a row group for each thread: of 80 MB each, eight do not fit
// into 512 MiB.
constexpr int64_t kMemoryPerThread = int64_t{1} << 30;

// It starts as many threads of its own as compute, less the caller's: what is counted beyond that
// is said to be callers, as there are with several queries at a time.
void SetThreads(const EngineOptions& options, duckdb::DBConfig& config) {
  const int64_t wanted = std::clamp<int64_t>(options.memory_limit_bytes / kMemoryPerThread,
                                             kFewestThreads, kEnoughThreads);
  const int64_t counted = std::max<int64_t>(options.threads, wanted);
  config.options.maximum_threads = static_cast<duckdb::idx_t>(counted);
  config.SetOptionByName("external_threads", duckdb::Value::BIGINT(counted - options.threads + 1));
}

class Instance final : public Engine {
 public:
  Instance(int threads, std::unique_ptr<ReadPath> read_path,
           std::shared_ptr<duckdb::DuckDB> database)
      : threads_(threads), read_path_(std::move(read_path)), database_(std::move(database)) {}

  arrow::Result<std::unique_ptr<Execution>> Execute(const Statement& statement) override {
    const auto make_session = [database = database_, mode = statement.cache_mode,
                               deadline = statement.deadline] {
      Session session;
      session.database = database;
      session.connection = std::make_unique<duckdb::Connection>(*database);
      session.state = duckdb::make_shared_ptr<QueryState>(mode, deadline);
      return session;
    };
    return QueryExecution::Start(
        make_session, statement, [this](const std::vector<std::string>& urls) { Invalidate(urls); },
        QueryExecution::Clock::now());
  }

  arrow::Status ClearCache() override {
    try {
      database_->instance->GetObjectCache().EvictToReduceMemory(kEverything);
      read_path_->reader().Clear();
      return arrow::Status::OK();
    } catch (const std::exception& exception) {
      return TranslateException(exception);
    }
  }

  void Invalidate(const std::vector<std::string>& urls) override {
    for (const std::string& url : urls) {
      read_path_->reader().Invalidate(CanonicalUrl(url), /*prefix=*/url.ends_with('/'));
    }
  }

  protocol::CacheFigures cache_figures() const override {
    cache::BlockCacheStats stats = read_path_->reader().stats();
    return {.budget_bytes = stats.budget_bytes,
            .used_bytes = stats.used_bytes,
            .blocks = stats.blocks,
            .objects = stats.objects,
            .evictions = stats.evictions,
            .corrupt_pages = stats.corrupt_pages,
            .write_failures = stats.write_failures,
            .disabled_why = std::move(stats.disabled_why)};
  }

  bool fatal() const override { return duckdb::ValidChecker::IsInvalidated(*database_->instance); }

  int64_t memory_used_bytes() const override {
    return static_cast<int64_t>(database_->instance->GetBufferManager().GetUsedMemory());
  }

  int64_t cache_bytes() const override { return read_path_->reader().stats().used_bytes; }

  int threads() const override { return threads_; }

  int64_t memory_limit_bytes() const override {
    return static_cast<int64_t>(database_->instance->GetBufferManager().GetMaxMemory());
  }

 private:
  static constexpr duckdb::idx_t kEverything = 1ULL << 60;

  const int threads_;
  const std::unique_ptr<ReadPath> read_path_;  // outlives the file systems, which are database_'s
  const std::shared_ptr<duckdb::DuckDB> database_;
};

}  // namespace

arrow::Result<std::unique_ptr<Engine>> Engine::Open(const EngineOptions& options) {
  try {
    duckdb::DBConfig config;
    SetThreads(options, config);
    if (options.memory_limit_bytes > 0) config.options.maximum_memory = options.memory_limit_bytes;
    config.options.use_temporary_directory = !options.temp_directory.empty();
    config.options.temporary_directory = options.temp_directory;
    ARROW_ASSIGN_OR_RAISE(std::unique_ptr<ReadPath> read_path, ReadPath::Make(options));
    auto local = duckdb::make_uniq<GuardedLocalFileSystem>();
    GuardedLocalFileSystem& guarded = *local;
    config.file_system = duckdb::make_uniq<duckdb::VirtualFileSystem>(
        duckdb::unique_ptr<duckdb::FileSystem>(std::move(local)));
    auto database = std::make_shared<duckdb::DuckDB>(nullptr, &config);
    ARROW_RETURN_NOT_OK(SetUp(*database, guarded, *read_path, options));
    return std::make_unique<Instance>(options.threads, std::move(read_path), std::move(database));
  } catch (const std::exception& exception) {
    return TranslateException(exception);
  }
}

}  // namespace eider::engine
