// What each command is told, typed and validated: made by load.h before anything starts, and the
// only way in which settings reach the rest of the program.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace eider::config {

enum class LogFormat { kText, kJson };
enum class LogLevel { kDebug, kInfo, kWarn, kError };

struct LogOptions {
  LogFormat format = LogFormat::kText;
  LogLevel level = LogLevel::kInfo;
};

// Credentials and address of the object store. Never logged.
struct S3Options {
  std::string endpoint;  // "host:port"; empty: AWS
  std::string region;
  std::string key_id;  // empty: anonymous, unless the init file makes a secret
  std::string secret_key;
  std::string session_token;
  bool path_style = false;
  bool use_ssl = true;
  std::string ca_file;           // empty: the system's
  std::string profile;           // section of the two files; empty: "default"
  std::string config_file;       // as ~/.aws/config; need not exist; empty: none
  std::string credentials_file;  // as ~/.aws/credentials; the same
  std::string proxy;             // "http://host:port"; empty: none
};

// What S3 charges, in billionths of a dollar: for the estimate in a query's figures alone.
struct S3PriceOptions {
  int64_t per_1000_requests = 0;  // GET, HEAD
  int64_t per_1000_lists = 0;     // LIST
  int64_t per_gb = 0;             // 10^9 bytes out of S3
};

// Where a process listens and what it trusts.
struct ListenOptions {
  std::string bind;
  int port = 0;                  // 0: a free one
  std::string cluster_key_file;  // empty: the state directory's own, on loopback only
  std::string state_dir;
};

struct CoordinatorOptions {
  ListenOptions listen;
  int flight_port = 0;
  std::vector<std::string> workers;  // "grpc://host:port"
  int max_waiting = 0;
  int64_t max_wait_ms = 0;
  int64_t default_timeout_ms = 0;
  int64_t max_json_result_bytes = 0;
  bool stolen_cache = true;   // a stolen task may read its thief's cache
  int replicas = 1;           // homes of a key
  double load_factor = 1.25;  // at least 1
  bool stealing = true;
  int64_t max_steal_after_ms = -1;  // -1: the scheduler's own
  int64_t drain_timeout_ms = 0;
  int64_t stall_timeout_ms = 0;  // a client that takes nothing for so long
  LogOptions log;
};

struct WorkerOptions {
  ListenOptions listen;
  std::string advertise;    // "host:port" that others use; empty: bind and the port it got
  std::string coordinator;  // "http://host:port" to announce to; empty: it waits to be attached
  std::string id;           // empty: the file worker-id in cache_dir
  std::string cache_dir;
  int slots = 0;
  int threads = 0;
  int64_t memory_limit_bytes = 0;
  bool cache = true;                       // off: nothing is kept past a query
  int64_t cache_size_bytes = 0;            // on disk; 0: no disk cache
  int64_t revalidate_ms = 0;               // age at which S3 is asked again; 0: always, -1: never
  std::vector<std::string> allowed_paths;  // absolute
  std::string init_file;                   // empty: none
  std::string extension_dir;
  int64_t drain_timeout_ms = 0;
  int64_t stall_timeout_ms = 0;  // a client that takes nothing for so long
  S3Options s3;
  S3PriceOptions prices;
  LogOptions log;
};

// A coordinator and several workers in one process.
struct UpOptions {
  CoordinatorOptions coordinator;
  WorkerOptions worker;  // of each; `cache_dir` is the folder that theirs lie in
  int workers = 0;
};

enum class OutputFormat { kTable, kCsv, kJson, kArrow, kParquet };

struct QueryOptions {
  std::string url;
  std::string sql;  // "-": standard input
  std::vector<std::string> params;
  OutputFormat format = OutputFormat::kTable;
  std::string output;  // empty: standard output
  std::string cache_mode;
  bool write = false;
  int64_t timeout_ms = 0;  // 0: the coordinator's default
  int64_t max_rows = 0;    // of a table
};

struct ExplainOptions {
  QueryOptions query;  // what it is, not what becomes of its result
  bool json = false;
};

struct StatusOptions {
  std::string url;
  bool json = false;
};

struct KeygenOptions {
  std::string file;
};

enum class CacheAction { kList, kStats, kVerify, kClear };

struct CacheOptions {
  CacheAction action = CacheAction::kList;
  std::string dir;
  bool json = false;
};

}  // namespace eider::config
