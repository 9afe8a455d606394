#include "config/load.h"

#include <gmock/gmock.h>

#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "config/help.h"
#include "config/limits.h"

namespace eider::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const Machine kMachine{.cores = 4, .memory_bytes = 10 * kGiB, .executable_dir = "/x/bin", .uid = 7};

std::string WriteFile(const std::string& text) {
  const std::string path = ::testing::TempDir() + "load_test_" +
                           ::testing::UnitTest::GetInstance()->current_test_info()->name() +
                           ".toml";
  std::ofstream(path) << text;
  return path;
}

arrow::Result<WorkerOptions> Worker(const std::vector<std::string>& tokens,
                                    const Environment& environment = {}) {
  ARROW_ASSIGN_OR_RAISE(const Told told, Read(Command::kWorker, tokens, environment, kMachine));
  return MakeWorkerOptions(told, environment, kMachine);
}

arrow::Result<CoordinatorOptions> Coordinator(const std::vector<std::string>& tokens,
                                              const Environment& environment = {}) {
  ARROW_ASSIGN_OR_RAISE(const Told told,
                        Read(Command::kCoordinator, tokens, environment, kMachine));
  return MakeCoordinatorOptions(told, environment, kMachine);
}

std::string WorkerError(const std::vector<std::string>& tokens,
                        const Environment& environment = {}) {
  return Worker(tokens, environment).status().message();
}

TEST(Load, Defaults) {
  const WorkerOptions worker = Worker({}).ValueOrDie();
  EXPECT_EQ(worker.listen.bind, "127.0.0.1");
  EXPECT_EQ(worker.listen.port, 5005);
  EXPECT_EQ(worker.slots, 16);
  EXPECT_EQ(worker.threads, 4);
  EXPECT_EQ(worker.memory_limit_bytes, 6 * kGiB);
  EXPECT_EQ(worker.listen.state_dir, "/tmp/eider-7");
  EXPECT_EQ(worker.cache_dir, "/tmp/eider-7/cache-5005");
  EXPECT_EQ(worker.extension_dir, "/x/bin/../lib/eider/extensions");
  EXPECT_EQ(worker.drain_timeout_ms, 30'000);
  EXPECT_EQ(worker.stall_timeout_ms, kStallTimeoutMs);
  EXPECT_TRUE(worker.cache);
  const CoordinatorOptions coordinator = Coordinator({}).ValueOrDie();
  EXPECT_EQ(coordinator.listen.port, 5000);
  EXPECT_EQ(coordinator.flight_port, 5001);
  EXPECT_EQ(coordinator.default_timeout_ms, kDefaultTimeoutMs);
  EXPECT_EQ(coordinator.max_waiting, kDefaultMaxWaiting);
  EXPECT_EQ(coordinator.max_wait_ms, 5 * kMinuteMs);
  EXPECT_EQ(coordinator.max_json_result_bytes, kDefaultMaxJsonResultBytes);
}

TEST(Load, TheCachesOptions) {
  const WorkerOptions plain = Worker({}).ValueOrDie();
  EXPECT_EQ(plain.cache_size_bytes, 10 * kGiB);
  EXPECT_EQ(plain.revalidate_ms, 10'000);
  const WorkerOptions worker =
      Worker({"--cache-size", "1GiB", "--revalidate", "never", "--cache", "off"}).ValueOrDie();
  EXPECT_EQ(worker.cache_size_bytes, kGiB);
  EXPECT_EQ(worker.revalidate_ms, -1);
  EXPECT_FALSE(worker.cache);
  EXPECT_EQ(Worker({"--revalidate", "0"}).ValueOrDie().revalidate_ms, 0);
  EXPECT_EQ(Worker({"--revalidate", "2m"}).ValueOrDie().revalidate_ms, 120'000);
  EXPECT_TRUE(Coordinator({}).ValueOrDie().stolen_cache);
  EXPECT_FALSE(Coordinator({"--stolen-cache", "off"}).ValueOrDie().stolen_cache);
}

TEST(Load, Scheduling) {
  const CoordinatorOptions plain = Coordinator({}).ValueOrDie();
  EXPECT_EQ(plain.replicas, 1);
  EXPECT_EQ(plain.load_factor, 1.25);
  EXPECT_TRUE(plain.stealing);
  EXPECT_EQ(plain.max_steal_after_ms, -1);
  const std::string file = WriteFile("load_factor = 2.5\nsteal = \"40ms\"\n");
  const CoordinatorOptions told = Coordinator({"--replicas", "3", "--config", file}).ValueOrDie();
  EXPECT_EQ(told.replicas, 3);
  EXPECT_EQ(told.load_factor, 2.5);
  EXPECT_TRUE(told.stealing);
  EXPECT_EQ(told.max_steal_after_ms, 40);
  EXPECT_EQ(Coordinator({"--steal", "0"}).ValueOrDie().max_steal_after_ms, 0);
  EXPECT_FALSE(Coordinator({"--steal", "off"}).ValueOrDie().stealing);
  EXPECT_THAT(Coordinator({"--load-factor", "0.5"}).status().message(),
              HasSubstr("a number such as 1.25 from 1 to 1000"));
}

TEST(Load, S3FilesAreAwssOwnUnlessNamed) {
  const S3Options none = Worker({}).ValueOrDie().s3;
  EXPECT_EQ(none.config_file, "");
  EXPECT_EQ(none.proxy, "");
  const S3Options home =
      Worker({}, {{"HOME", "/h"}, {"HTTPS_PROXY", "http://p:1"}}).ValueOrDie().s3;
  EXPECT_EQ(home.profile, "");
  EXPECT_EQ(home.config_file, "/h/.aws/config");
  EXPECT_EQ(home.credentials_file, "/h/.aws/credentials");
  EXPECT_EQ(home.proxy, "");
  const S3Options named = Worker({"--s3-proxy", "p:3128"}, {{"HOME", "/h"},
                                                            {"AWS_PROFILE", "lake"},
                                                            {"AWS_CONFIG_FILE", "/c"},
                                                            {"AWS_SHARED_CREDENTIALS_FILE", "/k"}})
                              .ValueOrDie()
                              .s3;
  EXPECT_EQ(named.profile, "lake");
  EXPECT_EQ(named.config_file, "/c");
  EXPECT_EQ(named.credentials_file, "/k");
  EXPECT_EQ(named.proxy, "http://p:3128");
}

TEST(Load, Prices) {
  const S3PriceOptions plain = Worker({}).ValueOrDie().prices;
  EXPECT_EQ(plain.per_1000_requests, 400'000);
  EXPECT_EQ(plain.per_1000_lists, 5'000'000);
  EXPECT_EQ(plain.per_gb, 0);
  const S3PriceOptions told =
      Worker({"--price-request", "$0.001", "--price-gb", "0.09"}, {{"EIDER_PRICE_LIST", "0.01"}})
          .ValueOrDie()
          .prices;
  EXPECT_EQ(told.per_1000_requests, 1'000'000);
  EXPECT_EQ(told.per_1000_lists, 10'000'000);
  EXPECT_EQ(told.per_gb, 90'000'000);
  const std::string file = WriteFile("price_request = 0.00000035\nprice_gb = 1\n");
  const S3PriceOptions filed = Worker({"--config", file}).ValueOrDie().prices;
  EXPECT_EQ(filed.per_1000_requests, 350);
  EXPECT_EQ(filed.per_gb, 1'000'000'000);
  EXPECT_THAT(
      WorkerError({"--price-gb", "much"}),
      HasSubstr("--price-gb is 'much' (from --price-gb) but takes an amount of dollars such "
                "as 0.0004"));
}

TEST(Load, FlagOverEnvironmentOverFileOverDefault) {
  const std::string file = WriteFile("slots = 3\n");
  EXPECT_EQ(Worker({"--config", file}).ValueOrDie().slots, 3);
  EXPECT_EQ(Worker({}, {{"EIDER_CONFIG", file}}).ValueOrDie().slots, 3);
  EXPECT_EQ(Worker({"--config", file}, {{"EIDER_SLOTS", "5"}}).ValueOrDie().slots, 5);
  EXPECT_EQ(Worker({"--config", file, "--slots=7"}, {{"EIDER_SLOTS", "5"}}).ValueOrDie().slots, 7);
}

TEST(Load, AListIsTakenWholeFromTheStrongestSource) {
  const std::string file = WriteFile("workers = [\"grpc://c:3\"]\n");
  EXPECT_THAT(Coordinator({"--config", file}).ValueOrDie().workers, ElementsAre("grpc://c:3"));
  EXPECT_THAT(
      Coordinator({"--config", file}, {{"EIDER_WORKERS", "grpc://a:1,b:2"}}).ValueOrDie().workers,
      ElementsAre("grpc://a:1", "grpc://b:2"));
}

TEST(Load, NamesEachWrongValueAndItsOrigin) {
  const std::string file = WriteFile("\nmemory_limit = \"much\"\n");
  const std::string message =
      WorkerError({"--config", file, "--port", "70000"}, {{"EIDER_SLOTS", "none"}});
  EXPECT_THAT(message, HasSubstr("--port is '70000' (from --port) but takes a whole number from 0 "
                                 "to 65535"));
  EXPECT_THAT(message, HasSubstr("--slots is 'none' (from EIDER_SLOTS) but takes a whole number"));
  EXPECT_THAT(message,
              HasSubstr("--memory-limit is 'much' (from " + file + ":2) but takes a size"));
  EXPECT_THAT(message, Not(HasSubstr("\n")));
}

TEST(Load, EveryOptionRefusesABadValueByName) {
  const std::vector<std::vector<std::string>> bad = {{"--port", "x"},
                                                     {"--bind", "nowhere at all"},
                                                     {"--advertise", "a:b"},
                                                     {"--coordinator", "ftp://a"},
                                                     {"--id", ""},
                                                     {"--cluster-key-file", "/no/key"},
                                                     {"--state-dir", "/dev/null"},
                                                     {"--slots", "0"},
                                                     {"--threads", "-1"},
                                                     {"--memory-limit", "1KiB"},
                                                     {"--allow-path", "/no/x"},
                                                     {"--init", "/no/x.sql"},
                                                     {"--drain-timeout", "later"},
                                                     {"--stall-timeout", "0"},
                                                     {"--cache", "maybe"},
                                                     {"--cache-dir", "/dev/null"},
                                                     {"--cache-size", "big"},
                                                     {"--revalidate", "often"},
                                                     {"--revalidate", "-1s"},
                                                     {"--price-request", "-1"},
                                                     {"--price-list", "cheap"},
                                                     {"--price-gb", "1 EUR"},
                                                     {"--s3-profile", ""},
                                                     {"--s3-config-file", ""},
                                                     {"--s3-credentials-file", ""},
                                                     {"--s3-proxy", "socks://x"},
                                                     {"--s3-endpoint", "s3://x"},
                                                     {"--s3-url-style", "odd"},
                                                     {"--s3-ca-file", "/no/x"},
                                                     {"--config", "/no/x.toml"},
                                                     {"--log-format", "xml"},
                                                     {"--log-level", "loud"}};
  for (const auto& tokens : bad) {
    EXPECT_THAT(WorkerError(tokens), HasSubstr(tokens[0] + " is '" + tokens[1] + "' (from"))
        << tokens[0];
  }
  for (const auto& tokens : std::vector<std::vector<std::string>>{{"--workers", "http://a:1"},
                                                                  {"--workers", "host"},
                                                                  {"--timeout", "0"},
                                                                  {"--max-waiting", "0"},
                                                                  {"--max-json-result", "-1"},
                                                                  {"--flight-port", "-1"},
                                                                  {"--replicas", "0"},
                                                                  {"--load-factor", "0.9"},
                                                                  {"--load-factor", "x"},
                                                                  {"--steal", "on"},
                                                                  {"--steal", "-1"},
                                                                  {"--stolen-cache", "x"}}) {
    EXPECT_THAT(Coordinator(tokens).status().message(), HasSubstr(tokens[0] + " is '"));
  }
}

TEST(Load, NeverShowsASecret) {
  const std::string message =
      WorkerError({}, {{"AWS_SECRET_ACCESS_KEY", "hush"}, {"EIDER_SLOTS", "x"}});
  EXPECT_THAT(message, Not(HasSubstr("hush")));
  EXPECT_THAT(WorkerError({}, {{"AWS_SECRET_ACCESS_KEY", "hush"}}),
              "--s3-secret-key is given (from AWS_SECRET_ACCESS_KEY) without its id: set "
              "AWS_ACCESS_KEY_ID");
}

TEST(Load, NeverShowsThePasswordOfAUrl) {
  const std::string message = WorkerError({}, {{"AWS_ENDPOINT_URL", "ftp://user:hush@h:1"}});
  EXPECT_THAT(message, HasSubstr("'ftp://***@h:1'"));
}

TEST(Load, RefusesToListenBeyondLoopbackWithoutAKey) {
  EXPECT_THAT(WorkerError({"--bind", "0.0.0.0"}), HasSubstr("eider keygen FILE"));
  EXPECT_THAT(Coordinator({}, {{"EIDER_BIND", "10.1.2.3"}}).status().message(),
              HasSubstr("(from EIDER_BIND)"));
  const std::string file = WriteFile("");
  EXPECT_TRUE(Worker({"--bind", "0.0.0.0", "--cluster-key-file", file}).ok());
}

TEST(Load, PathStyleFollowsTheEndpoint) {
  const auto s3 = [](const std::string& endpoint, Environment environment = {}) {
    environment["AWS_ENDPOINT_URL"] = endpoint;
    return Worker({}, environment).ValueOrDie().s3;
  };
  EXPECT_TRUE(s3("http://127.0.0.1:7070").path_style);
  EXPECT_FALSE(s3("http://127.0.0.1:7070").use_ssl);
  EXPECT_EQ(s3("http://127.0.0.1:7070/").endpoint, "127.0.0.1:7070");
  EXPECT_TRUE(s3("https://localhost:7070").path_style);
  EXPECT_TRUE(s3("http://10.0.0.1").path_style);
  EXPECT_FALSE(s3("https://s3.example.com").path_style);
  EXPECT_TRUE(s3("https://s3.example.com").use_ssl);
  EXPECT_TRUE(s3("https://s3.example.com", {{"AWS_S3_URL_STYLE", "path"}}).path_style);
  EXPECT_FALSE(s3("http://127.0.0.1:7070", {{"AWS_S3_URL_STYLE", "vhost"}}).path_style);
}

TEST(Load, PortsOfACoordinator) {
  EXPECT_EQ(Coordinator({"--port", "0"}).ValueOrDie().flight_port, 0);
  EXPECT_EQ(Coordinator({"--port", "7000"}).ValueOrDie().flight_port, 7001);
  EXPECT_EQ(Coordinator({"--flight-port", "9"}).ValueOrDie().flight_port, 9);
  EXPECT_FALSE(Coordinator({"--flight-port", "5000"}).ok());
  EXPECT_FALSE(Coordinator({"--port", "65535"}).ok());
}

TEST(Load, WorkersOfUpAreANumberAndShareTheMemory) {
  const Told told = Read(Command::kUp, {"--workers", "3"}, {}, kMachine).ValueOrDie();
  const UpOptions up = MakeUpOptions(told, {}, kMachine).ValueOrDie();
  EXPECT_EQ(up.workers, 3);
  EXPECT_EQ(up.worker.memory_limit_bytes, 2 * kGiB);
  EXPECT_EQ(up.worker.cache_dir, "/tmp/eider-7/up-5000");
  EXPECT_FALSE(Read(Command::kUp, {"--workers", "grpc://a:1"}, {}, kMachine).ok());
  const Told one_port = Read(Command::kUp, {"--advertise", "host:1"}, {}, kMachine).ValueOrDie();
  EXPECT_FALSE(MakeUpOptions(one_port, {}, kMachine).ok());
}

TEST(Load, QueryTakesOneStatement) {
  const auto query = [](const std::vector<std::string>& tokens) -> arrow::Result<QueryOptions> {
    ARROW_ASSIGN_OR_RAISE(const Told told, Read(Command::kQuery, tokens, {}, kMachine));
    return MakeQueryOptions(told);
  };
  EXPECT_EQ(query({"-"}).ValueOrDie().sql, "-");
  EXPECT_EQ(query({"SELECT 1", "--url", "host:1"}).ValueOrDie().url, "http://host:1");
  EXPECT_THAT(query({}).status().message(), HasSubstr("no SQL is given"));
  EXPECT_THAT(query({"SELECT", "1"}).status().message(), HasSubstr("in quotes"));
  EXPECT_FALSE(Worker({"5005"}).ok());
}

TEST(Load, ExplainTakesOneStatement) {
  const auto explain = [](const std::vector<std::string>& tokens) -> arrow::Result<ExplainOptions> {
    ARROW_ASSIGN_OR_RAISE(const Told told, Read(Command::kExplain, tokens, {}, kMachine));
    return MakeExplainOptions(told);
  };
  const ExplainOptions told =
      explain({"SELECT ?", "-p", "7", "--write", "-f", "json"}).ValueOrDie();
  EXPECT_EQ(told.query.sql, "SELECT ?");
  EXPECT_THAT(told.query.params, ElementsAre("7"));
  EXPECT_TRUE(told.query.write);
  EXPECT_TRUE(told.json);
  EXPECT_FALSE(explain({"SELECT 1"}).ValueOrDie().json);
  EXPECT_THAT(explain({}).status().message(), HasSubstr("eider explain \"SELECT"));
  EXPECT_FALSE(explain({"SELECT 1", "--format", "csv"}).ok());
}

TEST(Load, HelpNamesEveryOption) {
  for (const Command command : AllCommands()) {
    const std::string help = CommandHelp(command);
    for (const OptionSpec& spec : OptionTable()) {
      if (!TakenBy(spec, command)) continue;
      EXPECT_THAT(help, HasSubstr("--" + std::string(spec.name)));
    }
    EXPECT_TRUE(Read(command, {"--help"}, {}, kMachine).ValueOrDie().help);
  }
}

TEST(Load, NoCommandHasTwoOptionsOfOneName) {
  for (const Command command : AllCommands()) {
    std::set<std::string_view> names;
    for (const OptionSpec& spec : OptionTable()) {
      if (!TakenBy(spec, command)) continue;
      EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
    }
  }
}

}  // namespace
}  // namespace eider::config
