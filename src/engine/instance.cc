#include <utility>

#include "base/error.h"
#include "duckdb.hpp"
#include "duckdb/common/virtual_file_system.hpp"
#include "duckdb/main/config.hpp"
#include "duckdb/main/valid_checker.hpp"
#include "duckdb/storage/buffer_manager.hpp"
#include "duckdb/storage/external_file_cache.hpp"
#include "duckdb/storage/object_cache.hpp"
#include "engine/engine.h"
#include "engine/errors.h"
#include "engine/execution.h"
#include "engine/file_system.h"
#include "engine/sandbox.h"

namespace eider::engine {
namespace {

class Instance final : public Engine {
 public:
  Instance(std::shared_ptr<duckdb::DuckDB> database, bool cache)
      : database_(std::move(database)), cache_(cache) {}

  arrow::Result<std::unique_ptr<Execution>> Execute(const Statement& statement) override {
    const auto started_at = QueryExecution::Clock::now();
    try {
      Session session;
      session.database = database_;
      session.connection = std::make_unique<duckdb::Connection>(*database_);
      session.state = duckdb::make_shared_ptr<QueryState>(
          /*use_cache=*/statement.cache_mode != protocol::CacheMode::kOff);
      return QueryExecution::Start(std::move(session), statement, started_at);
    } catch (const std::exception& exception) {
      return TranslateException(exception);
    }
  }

  arrow::Status ClearCache() override {
    try {
      database_->instance->GetObjectCache().EvictToReduceMemory(kEverything);
      duckdb::ExternalFileCache& files = database_->instance->GetExternalFileCache();
      // Turning it off drops what it holds; queries that run meanwhile read past it.
      files.SetEnabled(false);
      files.SetEnabled(cache_);
      return arrow::Status::OK();
    } catch (const std::exception& exception) {
      return TranslateException(exception);
    }
  }

  void Invalidate(const std::vector<std::string>&) override {}
  protocol::CacheFigures cache_figures() const override { return {}; }

  bool fatal() const override { return duckdb::ValidChecker::IsInvalidated(*database_->instance); }

  int64_t memory_used_bytes() const override {
    return static_cast<int64_t>(database_->instance->GetBufferManager().GetUsedMemory());
  }

  int64_t cache_bytes() const override {
    int64_t bytes = 0;
    for (const auto& info : database_->instance->GetBufferManager().GetMemoryUsageInfo()) {
      const bool cache = info.tag == duckdb::MemoryTag::EXTERNAL_FILE_CACHE ||
                         info.tag == duckdb::MemoryTag::OBJECT_CACHE;
      if (cache) bytes += static_cast<int64_t>(info.size);
    }
    return bytes;
  }

  int threads() const override { return static_cast<int>(database_->NumberOfThreads()); }

  int64_t memory_limit_bytes() const override {
    return static_cast<int64_t>(database_->instance->GetBufferManager().GetMaxMemory());
  }

 private:
  static constexpr duckdb::idx_t kEverything = 1ULL << 60;

  const std::shared_ptr<duckdb::DuckDB> database_;
  const bool cache_;
};

}  // namespace

arrow::Result<std::unique_ptr<Engine>> Engine::Open(const EngineOptions& options) {
  try {
    duckdb::DBConfig config;
    if (options.threads > 0) config.options.maximum_threads = options.threads;
    if (options.memory_limit_bytes > 0) config.options.maximum_memory = options.memory_limit_bytes;
    config.options.use_temporary_directory = !options.temp_directory.empty();
    config.options.temporary_directory = options.temp_directory;
    auto local = duckdb::make_uniq<GuardedLocalFileSystem>();
    GuardedLocalFileSystem& guarded = *local;
    config.file_system = duckdb::make_uniq<duckdb::VirtualFileSystem>(
        duckdb::unique_ptr<duckdb::FileSystem>(std::move(local)));
    auto database = std::make_shared<duckdb::DuckDB>(nullptr, &config);
    ARROW_RETURN_NOT_OK(SetUp(*database, guarded, options));
    return std::make_unique<Instance>(std::move(database), options.cache);
  } catch (const std::exception& exception) {
    return TranslateException(exception);
  }
}

}  // namespace eider::engine
