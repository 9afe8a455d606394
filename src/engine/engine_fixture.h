// What the engine's tests share: an open engine, and a statement run to its end.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"

namespace eider::engine {

inline EngineOptions TestOptions() {
  EngineOptions options;
  options.threads = 2;
  options.memory_limit_bytes = int64_t{4} << 30;
  options.extension_dir = EIDER_EXTENSION_DIR;
  return options;
}

inline std::unique_ptr<Engine> OpenEngine(const EngineOptions& options = TestOptions()) {
  auto engine = Engine::Open(options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return engine.ok() ? std::move(*engine) : nullptr;
}

inline Statement Sql(std::string sql, protocol::Arguments arguments = {}, bool write = false) {
  return {.sql = std::move(sql), .arguments = std::move(arguments), .write = write};
}

// Runs the statement and reads it to its end.
inline arrow::Result<std::shared_ptr<arrow::Table>> ReadAll(Engine& engine,
                                                            const Statement& statement) {
  ARROW_ASSIGN_OR_RAISE(auto execution, engine.Execute(statement));
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, execution->Next());
    if (batch == nullptr) break;
    ARROW_RETURN_NOT_OK(batch->Validate());
    batches.push_back(std::move(batch));
  }
  return arrow::Table::FromRecordBatches(execution->schema(), batches);
}

// The error that the statement gives, at its start or on its way; none when it runs through.
inline std::optional<base::ErrorInfo> ErrorFrom(Engine& engine, const Statement& statement) {
  const auto result = ReadAll(engine, statement);
  if (result.ok()) return std::nullopt;
  return base::ErrorOf(result.status());
}

}  // namespace eider::engine
