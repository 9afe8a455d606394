#include "config/load.h"

#include <algorithm>
#include <utility>

#include "config/limits.h"
#include "config/quantity.h"

namespace eider::config {
namespace {

arrow::Status NoPositionals(const Told& told) {
  if (told.positionals.empty()) return arrow::Status::OK();
  const std::string name(CommandName(told.settings.command()));
  return arrow::Status::Invalid("'", told.positionals.front(), "' is not expected: 'eider ", name,
                                "' takes flags only, see 'eider ", name, " --help'");
}

LogOptions MakeLog(const Settings& settings) {
  LogOptions log;
  log.format = settings.Text("log-format") == "json" ? LogFormat::kJson : LogFormat::kText;
  const std::string level = settings.Text("log-level");
  log.level = level == "debug"   ? LogLevel::kDebug
              : level == "warn"  ? LogLevel::kWarn
              : level == "error" ? LogLevel::kError
                                 : LogLevel::kInfo;
  return log;
}

arrow::Result<ListenOptions> MakeListen(const Settings& settings, const Environment& environment,
                                        const Machine& machine) {
  ListenOptions listen;
  listen.bind = settings.Text("bind");
  listen.port = static_cast<int>(settings.Number("port"));
  listen.cluster_key_file = settings.Text("cluster-key-file");
  listen.state_dir = settings.Has("state-dir") ? settings.Text("state-dir")
                                               : DefaultStateDir(environment, machine);
  if (!IsLoopback(listen.bind) && listen.cluster_key_file.empty()) {
    return arrow::Status::Invalid(
        "--bind is '", listen.bind, "' (from ", settings.Find("bind")->origin,
        "), which others can reach, and so needs --cluster-key-file FILE: make one with 'eider "
        "keygen FILE' and give the same file to every process");
  }
  return listen;
}

// Port 0 asks for free ones; otherwise the next after the HTTP port.
arrow::Result<int> FlightPort(const Settings& settings, int port) {
  if (!settings.Has("flight-port")) {
    if (port == kMaxPort) {
      return arrow::Status::Invalid("--port ", port, " leaves none for Flight: give --flight-port");
    }
    return port == 0 ? 0 : port + 1;
  }
  const int flight_port = static_cast<int>(settings.Number("flight-port"));
  if (flight_port != 0 && flight_port == port) {
    return arrow::Status::Invalid("--flight-port and --port are both ", port,
                                  ": give two different ports");
  }
  return flight_port;
}

// Of the file as it is named, else of the one in ~/.aws, which need not be there.
std::string AwsFile(const Settings& settings, std::string_view option, const char* name,
                    const Environment& environment) {
  if (settings.Has(option)) return settings.Text(option);
  const auto home = environment.find("HOME");
  if (home == environment.end() || home->second.empty()) return "";
  return home->second + "/.aws/" + name;
}

S3PriceOptions MakePrices(const Settings& settings) {
  return {.per_1000_requests = settings.Number("price-request"),
          .per_1000_lists = settings.Number("price-list"),
          .per_gb = settings.Number("price-gb")};
}

arrow::Result<S3Options> MakeS3(const Settings& settings, const Environment& environment) {
  S3Options s3;
  std::string endpoint = settings.Text("s3-endpoint");
  if (const size_t end = endpoint.find("://"); end != std::string::npos) {
    s3.use_ssl = endpoint.starts_with("https");
    endpoint = endpoint.substr(end + 3);
  }
  s3.endpoint = endpoint;
  s3.region = settings.Text("s3-region");
  s3.key_id = settings.Text("s3-key-id");
  s3.secret_key = settings.Text("s3-secret-key");
  s3.session_token = settings.Text("s3-session-token");
  s3.ca_file = settings.Text("s3-ca-file");
  s3.profile = settings.Text("s3-profile");
  s3.config_file = AwsFile(settings, "s3-config-file", "config", environment);
  s3.credentials_file = AwsFile(settings, "s3-credentials-file", "credentials", environment);
  s3.proxy = settings.Text("s3-proxy");
  const auto host = ParseHostPort(endpoint);
  const std::string style = settings.Text("s3-url-style");
  s3.path_style = style == "path" ||
                  (style == "auto" && host && (IsIpAddress(host->host) || IsLoopback(host->host)));
  if (s3.key_id.empty() != s3.secret_key.empty()) {
    const bool has_id = !s3.key_id.empty();
    return arrow::Status::Invalid(
        has_id ? "--s3-key-id" : "--s3-secret-key", " is given (from ",
        settings.Find(has_id ? "s3-key-id" : "s3-secret-key")->origin, ") without ",
        has_id ? "its secret: set AWS_SECRET_ACCESS_KEY" : "its id: set AWS_ACCESS_KEY_ID");
  }
  return s3;
}

arrow::Result<CoordinatorOptions> MakeCoordinator(const Settings& settings,
                                                  const Environment& environment,
                                                  const Machine& machine) {
  CoordinatorOptions options;
  ARROW_ASSIGN_OR_RAISE(options.listen, MakeListen(settings, environment, machine));
  ARROW_ASSIGN_OR_RAISE(options.flight_port, FlightPort(settings, options.listen.port));
  options.max_waiting = static_cast<int>(settings.Number("max-waiting"));
  options.max_wait_ms = settings.Number("max-wait");
  options.default_timeout_ms = settings.Number("timeout");
  options.max_json_result_bytes = settings.Number("max-json-result");
  options.stolen_cache = settings.Flag("stolen-cache");
  options.replicas = static_cast<int>(settings.Number("replicas"));
  options.load_factor = static_cast<double>(settings.Number("load-factor")) / 1e3;
  const int64_t steal = settings.Number("steal");
  options.stealing = steal != kDelayOff;
  options.max_steal_after_ms = steal >= 0 ? steal : -1;
  options.drain_timeout_ms = settings.Number("drain-timeout");
  options.stall_timeout_ms = settings.Number("stall-timeout");
  options.log = MakeLog(settings);
  return options;
}

arrow::Result<WorkerOptions> MakeWorker(const Settings& settings, const Environment& environment,
                                        const Machine& machine) {
  WorkerOptions options;
  ARROW_ASSIGN_OR_RAISE(options.listen, MakeListen(settings, environment, machine));
  ARROW_ASSIGN_OR_RAISE(options.s3, MakeS3(settings, environment));
  options.advertise = settings.Text("advertise");
  options.slots = settings.Has("slots")
                      ? static_cast<int>(settings.Number("slots"))
                      : std::max(kMinDefaultSlots, kDefaultSlotsPerCore * machine.cores);
  options.threads =
      settings.Has("threads") ? static_cast<int>(settings.Number("threads")) : machine.cores;
  options.memory_limit_bytes = settings.Number("memory-limit");
  options.cache = settings.Flag("cache");
  options.cache_dir = settings.Text("cache-dir");
  options.cache_size_bytes = settings.Number("cache-size");
  options.revalidate_ms = settings.Number("revalidate");
  options.prices = MakePrices(settings);
  options.allowed_paths = settings.List("allow-path");
  options.init_file = settings.Text("init");
  options.extension_dir = settings.Has("extension-dir")
                              ? settings.Text("extension-dir")
                              : machine.executable_dir + "/../lib/eider/extensions";
  options.drain_timeout_ms = settings.Number("drain-timeout");
  options.stall_timeout_ms = settings.Number("stall-timeout");
  options.log = MakeLog(settings);
  return options;
}

// What `eider query` and `eider explain` both take.
arrow::Result<QueryOptions> MakeStatement(const Told& told) {
  const Settings& settings = told.settings;
  if (told.positionals.size() != 1) {
    const std::string command = "eider " + std::string(CommandName(settings.command()));
    return arrow::Status::Invalid(told.positionals.empty()
                                      ? "no SQL is given: " + command + " \"SELECT ...\", or '" +
                                            command + " -' to read it from standard input"
                                      : "give the SQL as one argument, in quotes");
  }
  QueryOptions options;
  options.url = settings.Text("url");
  options.sql = told.positionals.front();
  options.params = settings.List("param");
  options.cache_mode = settings.Text("cache-mode");
  options.write = settings.Flag("write");
  return options;
}

}  // namespace

arrow::Result<Told> Read(Command command, const std::vector<std::string>& tokens,
                         const Environment& environment, const Machine& machine) {
  Told told;
  Flags flags = ReadFlags(command, tokens);
  told.help = flags.help;
  if (told.help) return told;
  told.positionals = std::move(flags.positionals);
  std::vector<Layer> layers;
  layers.push_back(std::move(flags.layer));
  layers.push_back(ReadVariables(command, environment));
  std::string file;
  for (const Layer& layer : layers) {
    for (const Given& given : layer.given) {
      if (given.spec->name != "config" || !file.empty()) continue;
      // One that cannot be read is a problem that Merge names.
      if (ParseSetting(*given.spec, given.texts, machine)) file = given.texts.front();
    }
  }
  if (!file.empty()) layers.push_back(ReadFile(command, file));
  for (const Layer& layer : layers) {
    told.warnings.insert(told.warnings.end(), layer.warnings.begin(), layer.warnings.end());
  }
  ARROW_ASSIGN_OR_RAISE(told.settings, Settings::Merge(command, layers, machine));
  return told;
}

arrow::Result<CoordinatorOptions> MakeCoordinatorOptions(const Told& told,
                                                         const Environment& environment,
                                                         const Machine& machine) {
  ARROW_RETURN_NOT_OK(NoPositionals(told));
  ARROW_ASSIGN_OR_RAISE(CoordinatorOptions options,
                        MakeCoordinator(told.settings, environment, machine));
  options.workers = told.settings.List("workers");
  return options;
}

arrow::Result<WorkerOptions> MakeWorkerOptions(const Told& told, const Environment& environment,
                                               const Machine& machine) {
  ARROW_RETURN_NOT_OK(NoPositionals(told));
  ARROW_ASSIGN_OR_RAISE(WorkerOptions options, MakeWorker(told.settings, environment, machine));
  options.coordinator = told.settings.Text("coordinator");
  options.id = told.settings.Text("id");
  if (options.cache_dir.empty()) {
    options.cache_dir = options.listen.state_dir + "/cache-" + std::to_string(options.listen.port);
  }
  return options;
}

arrow::Result<UpOptions> MakeUpOptions(const Told& told, const Environment& environment,
                                       const Machine& machine) {
  ARROW_RETURN_NOT_OK(NoPositionals(told));
  UpOptions options;
  ARROW_ASSIGN_OR_RAISE(options.coordinator, MakeCoordinator(told.settings, environment, machine));
  ARROW_ASSIGN_OR_RAISE(options.worker, MakeWorker(told.settings, environment, machine));
  options.workers = static_cast<int>(told.settings.Number("workers"));
  options.worker.memory_limit_bytes =
      std::max(options.worker.memory_limit_bytes / options.workers, kMinMemoryBytes);
  options.worker.cache_size_bytes /= options.workers;
  options.worker.listen.port = 0;
  if (const auto advertised = ParseHostPort(options.worker.advertise);
      advertised && advertised->port != 0) {
    return arrow::Status::Invalid("--advertise is '", options.worker.advertise,
                                  "' but of 'eider up' takes a host alone: its workers are reached "
                                  "by ports of their own");
  }
  if (options.worker.cache_dir.empty()) {
    options.worker.cache_dir = options.coordinator.listen.state_dir + "/up-" +
                               std::to_string(options.coordinator.listen.port);
  }
  return options;
}

arrow::Result<QueryOptions> MakeQueryOptions(const Told& told) {
  const Settings& settings = told.settings;
  ARROW_ASSIGN_OR_RAISE(QueryOptions options, MakeStatement(told));
  options.output = settings.Text("output");
  options.timeout_ms = settings.Number("timeout");
  options.max_rows = settings.Number("max-rows");
  const std::string format = settings.Text("format");
  options.format = format == "csv"       ? OutputFormat::kCsv
                   : format == "json"    ? OutputFormat::kJson
                   : format == "arrow"   ? OutputFormat::kArrow
                   : format == "parquet" ? OutputFormat::kParquet
                                         : OutputFormat::kTable;
  return options;
}

arrow::Result<ExplainOptions> MakeExplainOptions(const Told& told) {
  ARROW_ASSIGN_OR_RAISE(QueryOptions query, MakeStatement(told));
  return ExplainOptions{std::move(query), told.settings.Text("format") == "json"};
}

arrow::Result<StatusOptions> MakeStatusOptions(const Told& told) {
  ARROW_RETURN_NOT_OK(NoPositionals(told));
  return StatusOptions{told.settings.Text("url"), told.settings.Flag("json")};
}

arrow::Result<KeygenOptions> MakeKeygenOptions(const Told& told) {
  if (told.positionals.size() != 1) {
    return arrow::Status::Invalid("name the file to write the key to: eider keygen FILE");
  }
  return KeygenOptions{told.positionals.front()};
}

arrow::Result<CacheOptions> MakeCacheOptions(const Told& told) {
  constexpr std::pair<const char*, CacheAction> kActions[] = {{"ls", CacheAction::kList},
                                                              {"stats", CacheAction::kStats},
                                                              {"verify", CacheAction::kVerify},
                                                              {"clear", CacheAction::kClear}};
  const std::string usage = "eider cache ls|stats|verify|clear DIR";
  if (told.positionals.size() != 2 || told.positionals[1].empty()) {
    return arrow::Status::Invalid("say what to do and with which --cache-dir: ", usage);
  }
  for (const auto& [name, action] : kActions) {
    if (told.positionals[0] == name) {
      return CacheOptions{action, told.positionals[1], told.settings.Flag("json")};
    }
  }
  return arrow::Status::Invalid("'", told.positionals[0], "' cannot be done with a cache: ", usage);
}

}  // namespace eider::config
