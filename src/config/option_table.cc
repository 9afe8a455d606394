#include "config/option_table.h"

#include "config/limits.h"
#include "config/option_groups.h"

namespace eider::config {
namespace {

void AddListening(std::vector<OptionSpec>& table) {
  const auto group = "Where it listens";
  table.push_back({.name = "port",
                   .kind = Kind::kInteger,
                   .commands = kFronts,
                   .group = group,
                   .value_name = "PORT",
                   .default_value = "5000",
                   .default_help = "",
                   .help = "HTTP port: API, metrics; 0 takes a free one",
                   .max = kMaxPort});
  table.push_back({.name = "port",
                   .kind = Kind::kInteger,
                   .commands = kWorker,
                   .group = group,
                   .value_name = "PORT",
                   .default_value = "5005",
                   .default_help = "",
                   .help = "Flight port; 0 takes a free one",
                   .max = kMaxPort});
  table.push_back({.name = "flight-port",
                   .kind = Kind::kInteger,
                   .commands = kFronts,
                   .group = group,
                   .value_name = "PORT",
                   .default_value = "",
                   .default_help = "port + 1",
                   .help = "Flight port for clients that take results straight from a worker",
                   .max = kMaxPort});
  table.push_back({.name = "bind",
                   .kind = Kind::kHost,
                   .commands = kServers,
                   .group = group,
                   .value_name = "ADDRESS",
                   .default_value = "127.0.0.1",
                   .default_help = "",
                   .help = "address to listen on; beyond loopback it needs --cluster-key-file"});
  table.push_back({.name = "advertise",
                   .kind = Kind::kHostPort,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "HOST[:PORT]",
                   .default_value = "",
                   .default_help = "the bound address, or the host's name where that is 0.0.0.0",
                   .help = "address by which coordinator and clients reach the worker"});
}

void AddCluster(std::vector<OptionSpec>& table) {
  const auto group = "The fleet";
  table.push_back({.name = "workers",
                   .kind = Kind::kInteger,
                   .commands = kUp,
                   .group = group,
                   .value_name = "N",
                   .default_value = "2",
                   .default_help = "",
                   .help = "how many workers to run in this process",
                   .min = 1,
                   .max = kMaxUpWorkers});
  table.push_back({.name = "workers",
                   .kind = Kind::kWorkers,
                   .commands = kCoordinator,
                   .group = group,
                   .value_name = "grpc://HOST:PORT,...",
                   .default_value = "",
                   .default_help = "none: workers announce themselves",
                   .help = "workers to attach to; several by comma, space or repeating"});
  table.push_back({.name = "coordinator",
                   .kind = Kind::kHttpUrl,
                   .commands = kWorker,
                   .group = group,
                   .value_name = "http://HOST:PORT",
                   .default_value = "",
                   .default_help = "none: waits for a coordinator that lists it",
                   .help = "coordinator to announce itself to"});
  table.push_back({.name = "id",
                   .kind = Kind::kText,
                   .commands = kWorker,
                   .group = group,
                   .value_name = "NAME",
                   .default_value = "",
                   .default_help = "kept in the file worker-id of the cache directory",
                   .help = "the worker's name, the same after each restart: its files follow it"});
  table.push_back({.name = "cluster-key-file",
                   .kind = Kind::kFile,
                   .commands = kServers,
                   .group = group,
                   .value_name = "FILE",
                   .default_value = "",
                   .default_help = "on loopback: cluster.key in the state directory",
                   .help = "the secret that coordinator and workers share ('eider keygen FILE')"});
  table.push_back({.name = "state-dir",
                   .kind = Kind::kDirectory,
                   .commands = kServers,
                   .group = group,
                   .value_name = "DIR",
                   .default_value = "",
                   .default_help = "$XDG_STATE_HOME/eider or ~/.local/state/eider",
                   .help = "where keys and, by default, caches are kept"});
}

void AddRunning(std::vector<OptionSpec>& table) {
  const auto group = "Running queries";
  table.push_back({.name = "slots",
                   .kind = Kind::kInteger,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "N",
                   .default_value = "",
                   .default_help = "4 for each core, at least 8",
                   .help = "queries that a worker runs at a time",
                   .min = 1,
                   .max = kMaxSlots});
  table.push_back({.name = "threads",
                   .kind = Kind::kInteger,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "N",
                   .default_value = "",
                   .default_help = "one for each core",
                   .help = "threads that a worker computes on",
                   .min = 1,
                   .max = kMaxThreads});
  table.push_back({.name = "memory-limit",
                   .kind = Kind::kMemory,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "SIZE",
                   .default_value = "60%",
                   .default_help = "",
                   .help = "memory of the process's DuckDB, such as 4GiB or 80%; the workers of "
                           "'eider up' share it",
                   .min = kMinMemoryBytes});
  table.push_back({.name = "allow-path",
                   .kind = Kind::kPaths,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "PATH",
                   .default_value = "",
                   .default_help = "none",
                   .help =
                       "local file or folder, or https:// file or prefix ending in /, that queries "
                       "may read; may be repeated"});
  table.push_back({.name = "init",
                   .kind = Kind::kFile,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "FILE.sql",
                   .default_value = "",
                   .default_help = "none",
                   .help = "SQL run at the start, such as CREATE SECRET"});
  table.push_back({.name = "timeout",
                   .kind = Kind::kDuration,
                   .commands = kFronts,
                   .group = group,
                   .value_name = "TIME",
                   .default_value = "1h",
                   .default_help = "",
                   .help = "for a query that names none itself",
                   .min = 1,
                   .max = kMaxTimeoutMs});
  table.push_back({.name = "max-waiting",
                   .kind = Kind::kInteger,
                   .commands = kFronts,
                   .group = group,
                   .value_name = "N",
                   .default_value = "10000",
                   .default_help = "",
                   .help = "queries that may wait; more are turned away",
                   .min = 1,
                   .max = kMaxMaxWaiting});
  table.push_back({.name = "max-wait",
                   .kind = Kind::kDuration,
                   .commands = kFronts,
                   .group = group,
                   .value_name = "TIME",
                   .default_value = "5m",
                   .default_help = "",
                   .help = "how long a query may wait for a slot before it is turned away",
                   .min = 1,
                   .max = kMaxTimeoutMs});
  table.push_back({.name = "max-json-result",
                   .kind = Kind::kBytes,
                   .commands = kFronts,
                   .group = group,
                   .value_name = "SIZE",
                   .default_value = "256MiB",
                   .default_help = "",
                   .help = "largest result in the base64 JSON form",
                   .min = 1});
  table.push_back({.name = "drain-timeout",
                   .kind = Kind::kDuration,
                   .commands = kServers,
                   .group = group,
                   .value_name = "TIME",
                   .default_value = "30s",
                   .default_help = "",
                   .help = "how long running queries may go on after SIGTERM or Ctrl-C",
                   .max = kMaxTimeoutMs});
  table.push_back({.name = "stall-timeout",
                   .kind = Kind::kDuration,
                   .commands = kServers,
                   .group = group,
                   .value_name = "TIME",
                   .default_value = "60s",
                   .default_help = "",
                   .help = "a client that reads nothing for so long loses its query and slot",
                   .min = 1,
                   .max = kMaxTimeoutMs});
  table.push_back({.name = "extension-dir",
                   .kind = Kind::kDirectory,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "DIR",
                   .default_value = "",
                   .default_help = "lib/eider/extensions of the installed tree",
                   .help = "where DuckDB's extensions lie"});
}

void AddScheduling(std::vector<OptionSpec>& table) {
  const auto group = "Which worker runs a query";
  table.push_back({.name = "replicas",
                   .kind = Kind::kInteger,
                   .commands = kFronts,
                   .group = group,
                   .value_name = "N",
                   .default_value = "1",
                   .default_help = "",
                   .help = "workers that keep a file's blocks; a file in great demand gets more",
                   .min = 1,
                   .max = kMaxReplicas});
  table.push_back({.name = "load-factor",
                   .kind = Kind::kFactor,
                   .commands = kFronts,
                   .group = group,
                   .value_name = "FACTOR",
                   .default_value = "1.25",
                   .default_help = "",
                   .help = "a full worker may have so many times its share of all load; past it a "
                           "query goes to the next worker of its file",
                   .min = kMinLoadFactorThousandths,
                   .max = kMaxLoadFactorThousandths});
  table.push_back(
      {.name = "steal",
       .kind = Kind::kDelay,
       .commands = kFronts,
       .group = group,
       .value_name = "auto|off|TIME",
       .default_value = "auto",
       .default_help = "",
       .help = "longest that a query waits for its worker before an idle one may take "
               "it, which it may when running away from its cache costs less; auto: 1s; off: "
               "nothing leaves a slow worker either",
       .max = kMaxStealAfterMs});
}

void AddCache(std::vector<OptionSpec>& table) {
  const auto group = "The cache";
  table.push_back({.name = "cache",
                   .kind = Kind::kOnOff,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "on|off",
                   .default_value = "on",
                   .default_help = "",
                   .help = "keep what was read from S3; off: nothing past a query's end"});
  table.push_back({.name = "cache-dir",
                   .kind = Kind::kDirectory,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "DIR",
                   .default_value = "",
                   .default_help = "cache-<port> in the state directory",
                   .help = "the worker's own folder: its name, cached blocks, spilled data"});
  table.push_back({.name = "cache-size",
                   .kind = Kind::kBytes,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "SIZE",
                   .default_value = "10GiB",
                   .default_help = "",
                   .help = "most that the cache keeps on disk, 0 for nothing; the workers of "
                           "'eider up' share it",
                   .min = 0});
  table.push_back({.name = "revalidate",
                   .kind = Kind::kAge,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "TIME|never",
                   .default_value = "10s",
                   .default_help = "",
                   .help = "age at which S3 is asked whether an object changed; 0 asks always"});
  table.push_back({.name = "stolen-cache",
                   .kind = Kind::kOnOff,
                   .commands = kFronts,
                   .group = group,
                   .value_name = "on|off",
                   .default_value = "on",
                   .default_help = "",
                   .help = "let a stolen query read its thief's cache; off: past it, from S3"});
}

void AddS3(std::vector<OptionSpec>& table) {
  const auto group = "S3";
  table.push_back({.name = "s3-endpoint",
                   .kind = Kind::kEndpoint,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "URL",
                   .default_value = "",
                   .default_help = "AWS",
                   .help = "another S3 server; http:// switches TLS off",
                   .other_names = {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}});
  table.push_back({.name = "s3-region",
                   .kind = Kind::kText,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "REGION",
                   .default_value = "",
                   .default_help = "of the profile, else us-east-1",
                   .help = "the buckets' region",
                   .other_names = {"AWS_REGION", "AWS_DEFAULT_REGION"}});
  table.push_back({.name = "s3-key-id",
                   .kind = Kind::kText,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "ID",
                   .default_value = "",
                   .default_help = "none: requests are anonymous",
                   .help = "access key id",
                   .other_names = {"AWS_ACCESS_KEY_ID", "AWS_KEY_ID"}});
  table.push_back({.name = "s3-secret-key",
                   .kind = Kind::kText,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "KEY",
                   .default_value = "",
                   .default_help = "none",
                   .help = "secret access key; a flag is seen by everyone on the machine, so "
                           "prefer the environment",
                   .other_names = {"AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"},
                   .secret = true});
  table.push_back({.name = "s3-session-token",
                   .kind = Kind::kText,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "TOKEN",
                   .default_value = "",
                   .default_help = "none",
                   .help = "token of temporary credentials",
                   .other_names = {"AWS_SESSION_TOKEN"},
                   .secret = true});
  table.push_back({.name = "s3-url-style",
                   .kind = Kind::kChoice,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "STYLE",
                   .default_value = "auto",
                   .default_help = "",
                   .help = "auto, path or vhost; auto is path where the endpoint is an IP "
                           "address or localhost",
                   .choices = {"auto", "path", "vhost"},
                   .other_names = {"AWS_S3_URL_STYLE"}});
  table.push_back({.name = "s3-ca-file",
                   .kind = Kind::kFile,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "FILE.pem",
                   .default_value = "",
                   .default_help = "the system's",
                   .help = "certificates to trust",
                   .other_names = {"AWS_CA_BUNDLE"}});
}

void AddS3Files(std::vector<OptionSpec>& table) {
  const auto group = "S3";
  table.push_back({.name = "s3-profile",
                   .kind = Kind::kText,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "NAME",
                   .default_value = "",
                   .default_help = "default",
                   .help = "section of the two files below",
                   .other_names = {"AWS_PROFILE"}});
  table.push_back({.name = "s3-config-file",
                   .kind = Kind::kText,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "FILE",
                   .default_value = "",
                   .default_help = "~/.aws/config",
                   .help = "region and settings of profiles, where it is there",
                   .other_names = {"AWS_CONFIG_FILE"}});
  table.push_back({.name = "s3-credentials-file",
                   .kind = Kind::kText,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "FILE",
                   .default_value = "",
                   .default_help = "~/.aws/credentials",
                   .help = "keys of profiles, where it is there; read again when it changes",
                   .other_names = {"AWS_SHARED_CREDENTIALS_FILE"}});
  table.push_back({.name = "s3-proxy",
                   .kind = Kind::kHttpUrl,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "http://HOST:PORT",
                   .default_value = "",
                   .default_help = "none; HTTPS_PROXY is not read",
                   .help = "proxy for requests to S3"});
}

void AddPrices(std::vector<OptionSpec>& table) {
  const auto group = "S3 prices, for the estimate of what a query cost";
  table.push_back({.name = "price-request",
                   .kind = Kind::kDollars,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "DOLLARS",
                   .default_value = "0.0004",
                   .default_help = "",
                   .help = "for 1,000 GET or HEAD requests"});
  table.push_back({.name = "price-list",
                   .kind = Kind::kDollars,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "DOLLARS",
                   .default_value = "0.005",
                   .default_help = "",
                   .help = "for 1,000 LIST requests"});
  table.push_back({.name = "price-gb",
                   .kind = Kind::kDollars,
                   .commands = kRunners,
                   .group = group,
                   .value_name = "DOLLARS",
                   .default_value = "0",
                   .default_help = "0: within a region",
                   .help = "for 10^9 bytes out of S3"});
}

void AddGeneral(std::vector<OptionSpec>& table) {
  const auto group = "General";
  table.push_back({.name = "config",
                   .kind = Kind::kFile,
                   .commands = kServers | kClients,
                   .group = group,
                   .value_name = "FILE.toml",
                   .default_value = "",
                   .default_help = "none",
                   .help = "file of options; see below"});
  table.push_back({.name = "log-format",
                   .kind = Kind::kChoice,
                   .commands = kServers,
                   .group = group,
                   .value_name = "FORMAT",
                   .default_value = "text",
                   .default_help = "",
                   .help = "text for people, json for programs",
                   .choices = {"text", "json"}});
  table.push_back({.name = "log-level",
                   .kind = Kind::kChoice,
                   .commands = kServers,
                   .group = group,
                   .value_name = "LEVEL",
                   .default_value = "info",
                   .default_help = "",
                   .help = "debug, info, warn or error",
                   .choices = {"debug", "info", "warn", "error"}});
}

}  // namespace

const std::vector<OptionSpec>& OptionTable() {
  static const std::vector<OptionSpec> table = [] {
    std::vector<OptionSpec> made;
    AddListening(made);
    AddCluster(made);
    AddRunning(made);
    AddScheduling(made);
    AddCache(made);
    AddS3(made);
    AddS3Files(made);
    AddPrices(made);
    AddClientOptions(made);
    AddGeneral(made);
    return made;
  }();
  return table;
}

}  // namespace eider::config
