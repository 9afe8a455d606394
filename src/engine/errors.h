// DuckDB's errors in Eider's words.
#pragma once

#include <arrow/status.h>

#include <exception>
#include <string>
#include <vector>

namespace duckdb {
class ErrorData;
}

namespace eider::engine {

// What is known about a query beside its error.
struct ErrorContext {
  std::vector<std::string> credentials;  // keys and tokens: blanked out where a message holds one
  std::vector<std::string> files;        // that it names: httpfs's messages may have another URL
  // Paths of local files that it names as tables and may not read.
  std::vector<std::string> denied_tables;
};

// What `error` is to a client.
arrow::Status TranslateError(const duckdb::ErrorData& error, const ErrorContext& context = {});
arrow::Status TranslateException(const std::exception& exception, const ErrorContext& context = {});

// Throws `status`, one of ours, as a DuckDB exception from which TranslateError() makes the same
// one again: for file systems, which DuckDB calls. CANCELLED becomes DuckDB's own interrupt.
[[noreturn]] void ThrowStatus(const arrow::Status& status);

}  // namespace eider::engine
