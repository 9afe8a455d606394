// DuckDB behind Eider's words: the only folder that includes it.
#pragma once

#include <arrow/result.h>

#include <chrono>
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
  std::string profile;           // a section of the two files; empty: "default"
  std::string config_file;       // as ~/.aws/config; empty: none is read
  std::string credentials_file;  // as ~/.aws/credentials; empty: none is read
  std::string proxy;             // "http://host:port"; empty: none
};

struct EngineOptions {
  int threads = 1;                 // that compute, at least one
  int64_t memory_limit_bytes = 0;  // 0: DuckDB's default (80% of the machine's)
  std::string temp_directory;      // for spilling; made when needed
  std::string extension_dir;       // holds NAME.duckdb_extension files (also one folder down)
  std::vector<std::string> extensions = {"httpfs"};
  std::vector<std::string> allowed_paths;  // local files and folders that queries may read
  std::string init_sql;                    // statements run before the sandbox closes
  std::string init_name;                   // where they come from, for error messages
  bool cache = true;                       // off: nothing is kept past a query
  std::string cache_dir;                   // of the disk cache; empty: there is none
  int64_t cache_size_bytes = 0;            // the most that it holds
  int64_t revalidate_ms = 10'000;  // age of metadata that is asked again; 0: always, -1: never
  S3Options s3;
};

// What one task is to run.
struct Statement {
  std::string sql;
  protocol::Arguments arguments;
  bool write = false;  // came by /write: COPY ... TO is allowed
  protocol::CacheMode cache_mode = protocol::CacheMode::kUse;
  // When whoever asked gives it up: reads of S3 do not wait past it.
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
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
  // What it wrote to the object store so far: URLs, or prefixes, which end in '/'. Thread-safe.
  // Also of a statement that failed: what it wrote until then has changed.
  virtual std::vector<std::string> written() const { return {}; }
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

  // Drops all that the caches hold.
  virtual arrow::Status ClearCache() = 0;
  // Forgets what is cached of these: of an object's URL, or of all below a prefix that ends in '/'.
  // A query that starts after it has returned sees their content as it is in S3.
  virtual void Invalidate(const std::vector<std::string>& urls) = 0;
  virtual protocol::CacheFigures cache_figures() const = 0;
  // True after an internal error of DuckDB's: every later query fails until it is opened anew.
  virtual bool fatal() const = 0;
  virtual int64_t memory_used_bytes() const = 0;
  virtual int64_t cache_bytes() const = 0;
  virtual int threads() const = 0;
  virtual int64_t memory_limit_bytes() const = 0;
};

}  // namespace eider::engine
