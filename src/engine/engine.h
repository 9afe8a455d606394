// DuckDB behind Eider's words: the only folder that includes it.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "protocol/channel.h"
#include "protocol/figures.h"
#include "protocol/query.h"

namespace eider::engine {

// Credentials and address of the object store, from the environment or flags. Empty fields are left
// to DuckDB's own defaults; with no key id, requests are anonymous unless `init_sql` makes a
// secret.
struct S3Options {
  std::string endpoint;  // "host:port" or a URL; empty: AWS
  std::string region;
  std::string key_id;
  std::string secret_key;
  std::string session_token;
  bool path_style = false;
  bool use_ssl = true;
  std::string ca_file;
};

struct EngineOptions {
  int threads = 0;                 // 0: one for each core
  int64_t memory_limit_bytes = 0;  // 0: DuckDB's default (80% of the machine's)
  std::string temp_directory;      // for spilling; made when needed
  std::string extension_dir;       // holds NAME.duckdb_extension files (also one folder down)
  std::vector<std::string> extensions = {"httpfs"};
  std::vector<std::string> allowed_paths;  // local files and folders that queries may read
  std::string init_sql;                    // statements run before the sandbox closes
  std::string init_name;                   // where they come from, for error messages
  bool cache = true;                       // DuckDB's external file cache
  S3Options s3;
};

// What one task is to run.
struct Statement {
  std::string sql;
  protocol::Arguments arguments;
  bool write = false;  // came by /write: COPY ... TO is allowed
  protocol::CacheMode cache_mode = protocol::CacheMode::kUse;
  // When set, Execute calls it once before anything can block, with a function that interrupts the
  // statement from any thread: while it binds, as Execution::Cancel does once it runs. That
  // function may be called at any later time, also after the end (it then does nothing).
  std::function<void(std::function<void()> interrupt)> on_interruptible;
};

// A running statement. Thread-safety as BatchStream's: Cancel from any thread.
class Execution : public protocol::BatchStream {
 public:
  // What it has cost so far; rows, bytes and batches count what Next has returned. Thread-safe.
  virtual protocol::Figures figures() const = 0;
};

// One DuckDB instance, closed in its sandbox: it reads S3 and the allowed paths, and nothing else.
// Thread-safe: each Execute has a connection of its own.
class Engine {
 public:
  // Opens an instance, loads the extensions, runs the init file, closes the sandbox.
  static arrow::Result<std::unique_ptr<Engine>> Open(const EngineOptions& options);
  virtual ~Engine() = default;

  // Checks the statement against the read or write policy, binds and starts it. The batches end at
  // 122,880 rows or 4 MiB, whichever comes first; a larger single row goes alone.
  // Errors: INVALID_QUERY with DuckDB's message, PERMISSION_DENIED, NOT_FOUND,
  // STORAGE_UNAVAILABLE, RESOURCE_EXHAUSTED, CANCELLED (after Cancel), INTERNAL.
  virtual arrow::Result<std::unique_ptr<Execution>> Execute(const Statement& statement) = 0;

  // Drops the external file cache's content.
  virtual arrow::Status ClearCache() = 0;
  // True after an internal error of DuckDB's: every later query fails until it is opened anew.
  virtual bool fatal() const = 0;
  virtual int64_t memory_used_bytes() const = 0;
  virtual int64_t cache_bytes() const = 0;
  virtual int threads() const = 0;
  virtual int64_t memory_limit_bytes() const = 0;
};

}  // namespace eider::engine
