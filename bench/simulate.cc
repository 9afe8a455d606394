// What affinity, the load bound, stealing and hot replicas are worth: the scheduler among modelled
// workers (src/schedule/simulator.h), by fleet, popularity and load. Writes JSON, and Markdown
// tables between the markers of docs/scheduler.md.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "schedule/simulator.h"

namespace {

namespace schedule = eider::schedule;
using Json = nlohmann::json;

constexpr char kBegin[] = "<!-- simulate: begin -->";
constexpr char kEnd[] = "<!-- simulate: end -->";

// Larger fleets get more tasks, and fewer keys for each worker, for the time it takes; the largest
// also tasks that are `length` times as long, of files that are as much larger, so that they are
// enough for several times what one takes.
struct Scale {
  int workers = 0;
  int slots = 4;
  int tasks = 0;
  int keys = 0;
  double warm_up = 0.25;
  int length = 1;
};

Scale ScaleOf(int workers) {
  if (workers <= 10) return {workers, 4, 20'000, workers * 100};
  if (workers <= 200) return {workers, 4, 40'000, workers * 40};
  if (workers <= 2'000) return {workers, 4, 60'000, workers * 20};
  return {workers, 2, 150'000, workers * 5, /*warm_up=*/0.4, /*length=*/10};
}

struct Arguments {
  std::vector<int> workers = {4, 100, 1'000, 10'000};
  std::vector<double> zipf = {0.8, 1.0, 1.2};
  std::vector<double> utilisation = {0.5, 0.8};
  std::vector<std::string> policies;  // none: all
  uint64_t seed = 1;
  int seeds = 1;
  int hot_replicas = schedule::Options().hot_replicas;
  double load_factor = 1.25;
  int tasks = 0;  // 0: by the fleet's size
  double crashes = 0, freezes = 0, drains = 0;
  std::string output;
  std::string page;
};

struct Row {
  schedule::SimulatorOptions options;
  schedule::Report report;
  double seconds = 0;
};

std::string Number(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", decimals, value);
  return text;
}

std::string Milliseconds(double ms) {
  return ms < 10'000 ? Number(ms, 0) : Number(ms / 1e3, 0) + " s";
}

Json ToJson(const Row& row) {
  const schedule::SimulatorOptions& options = row.options;
  const schedule::Report& report = row.report;
  return {{"workers", options.fleet.workers},
          {"slots", options.fleet.slots},
          {"keys", options.load.keys},
          {"zipf", options.load.zipf},
          {"load", options.load.utilisation},
          {"policy", schedule::PolicyName(options.policy)},
          {"seed", options.seed},
          {"tasks", report.tasks},
          {"finished", report.finished},
          {"failed", report.failed},
          {"retried", report.retried},
          {"hit_ratio", report.hit_ratio},
          {"byte_hit_ratio", report.byte_hit_ratio},
          {"s3_bytes", report.s3_bytes},
          {"wait_p50_ms", report.wait_p50_ms},
          {"wait_p99_ms", report.wait_p99_ms},
          {"time_p50_ms", report.time_p50_ms},
          {"time_p99_ms", report.time_p99_ms},
          {"throughput_per_s", report.throughput},
          {"offered_per_s", report.offered},
          {"busy", report.busy},
          {"busy_max_over_mean", report.busy_max},
          {"line_p99", report.line_p99},
          {"line_max", report.line_max},
          {"homes", report.homes},
          {"overflows", report.overflows},
          {"steals", report.steals},
          {"duplicates", report.duplicates},
          {"faults", report.faults},
          {"task_ms", options.fleet.compute_ms},
          {"virtual_s", report.virtual_s},
          {"events", report.events},
          {"seconds", row.seconds}};
}

std::string Done(const Row& row) {
  return Number(100 * row.report.throughput / row.report.offered, 1);
}

std::string Line(const Row& row) {
  const schedule::Report& report = row.report;
  const double claims = std::max<double>(1, report.homes + report.overflows + report.steals);
  std::ostringstream line;
  line << "| " << schedule::PolicyName(row.options.policy) << " | "
       << Number(100 * report.hit_ratio, 1) << " | " << Number(report.s3_bytes / 1e9, 0) << " | "
       << Milliseconds(report.wait_p50_ms) << " | " << Milliseconds(report.wait_p99_ms) << " | "
       << Done(row) << " | " << Number(report.busy_max, 2) << " | "
       << Number(100 * report.overflows / claims, 1) << " | "
       << Number(100 * report.steals / claims, 1) << " |";
  if (row.options.faults.Any()) {
    line << " " << report.faults << " | " << report.retried << " | " << report.failed << " |";
  }
  return line.str();
}

std::string Heading(const Row& row) {
  const auto& [fleet, load, faults, policy, scheduler, hot, owners, seed] = row.options;
  const double measured = 1 - load.warm_up;
  std::ostringstream text;
  text << "\n**" << fleet.workers << " workers, Zipf " << Number(load.zipf, 1) << ", load "
       << Number(load.utilisation, 1) << "** (" << fleet.slots << " slots each, " << load.keys
       << " keys, " << load.tasks << " tasks at " << Number(row.report.offered, 0)
       << "/s, the last " << Number(100 * measured, 0) << " % measured, "
       << Number(measured * load.tasks / row.report.offered, 1) << " s; seed " << seed << ")\n\n"
       << "| policy | hits % | S3 GB | wait p50 ms | wait p99 ms | done % | busiest / mean | "
          "overflows % | steals % |"
       << (faults.Any() ? " faults | retried | failed |\n" : "\n")
       << "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
       << (faults.Any() ? " --- | --- | --- |\n" : "\n");
  return text.str();
}

// The run that differs from `all` by the policy alone; nullptr: there was none.
const Row* Other(const std::vector<Row>& rows, const Row& all, schedule::Policy policy) {
  const auto at = std::find_if(rows.begin(), rows.end(), [&](const Row& row) {
    return row.options.policy == policy && row.options.seed == all.options.seed &&
           row.options.fleet.workers == all.options.fleet.workers &&
           row.options.load.zipf == all.options.load.zipf &&
           row.options.load.utilisation == all.options.load.utilisation;
  });
  return at == rows.end() ? nullptr : &*at;
}

// What each of its parts is worth: all of it, and all but that part. Empty where not all was run.
std::string Worth(const std::vector<Row>& rows) {
  std::ostringstream text;
  for (const Row& all : rows) {
    const Row* steals = Other(rows, all, schedule::Policy::kWithoutStealing);
    const Row* homes = Other(rows, all, schedule::Policy::kWithoutHotReplicas);
    if (all.options.policy != schedule::Policy::kAll || !steals || !homes) continue;
    const auto waits = [](const Row& row) {
      return " | " + Milliseconds(row.report.wait_p50_ms) + " / " +
             Milliseconds(row.report.wait_p99_ms);
    };
    const auto hits = [](const Row& row) {
      return " | " + Number(100 * row.report.hit_ratio, 0) + " / " +
             Number(100 * row.report.throughput / row.report.offered, 0);
    };
    text << "| " << all.options.fleet.workers << " | " << Number(all.options.load.utilisation, 1)
         << " | " << Number(all.options.load.zipf, 1) << waits(all) << waits(*steals)
         << waits(*homes) << hits(all) << hits(*steals) << hits(*homes) << " |\n";
  }
  if (text.str().empty()) return "";
  return "\n| workers | load | Zipf | wait p50 / p99 ms: all of it | no stealing | no hot replicas "
         "| hits / done %: all of it | no stealing | no hot replicas |\n"
         "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n" +
         text.str();
}

std::vector<schedule::Policy> Wanted(const std::vector<std::string>& names) {
  std::vector<schedule::Policy> policies;
  for (const schedule::Policy policy : schedule::kPolicies) {
    const std::string_view name = schedule::PolicyName(policy);
    const bool wanted = std::find(names.begin(), names.end(), name) != names.end();
    if (names.empty() || wanted) policies.push_back(policy);
  }
  if (policies.empty()) throw std::runtime_error("no such policy: " + names.front());
  return policies;
}

schedule::SimulatorOptions OptionsOf(const Arguments& arguments, const Scale& scale) {
  schedule::SimulatorOptions options;
  options.fleet.workers = scale.workers;
  options.fleet.slots = scale.slots;
  options.load.tasks = arguments.tasks > 0 ? arguments.tasks : scale.tasks;
  options.load.keys = scale.keys;
  options.load.warm_up = scale.warm_up;
  options.load.median_bytes *= scale.length;
  options.fleet.compute_ms *= scale.length;
  options.faults.crashes = arguments.crashes;
  options.faults.freezes = arguments.freezes;
  options.faults.drains = arguments.drains;
  options.scheduler.load_factor = arguments.load_factor;
  // As long as the tasks, or it is this bound that is measured.
  options.scheduler.max_steal_after_ms *= scale.length;
  options.hot_replicas = arguments.hot_replicas;
  return options;
}

Row RunOne(const schedule::SimulatorOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  Row row{.options = options, .report = schedule::Simulate(options)};
  row.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return row;
}

// What is compared at any size; the largest leaves the rest out, for the time it takes.
bool Skipped(const Scale& scale, schedule::Policy policy, const Arguments& arguments) {
  if (scale.length == 1 || !arguments.policies.empty()) return false;
  return policy == schedule::Policy::kLeastLoaded || policy == schedule::Policy::kWithoutPatience;
}

std::string Tables(const Arguments& arguments, std::vector<Row>& rows) {
  std::string tables;
  for (const int workers : arguments.workers) {
    const Scale scale = ScaleOf(workers);
    schedule::SimulatorOptions options = OptionsOf(arguments, scale);
    options.owners = std::make_shared<const std::vector<int>>(
        schedule::Owners(options.fleet, options.load.keys));
    for (const double utilisation : arguments.utilisation) {
      for (const double zipf : arguments.zipf) {
        options.load.zipf = zipf;
        options.load.utilisation = utilisation;
        bool first = true;
        for (int n = 0; n < arguments.seeds; ++n) {
          options.seed = arguments.seed + n;
          for (const schedule::Policy policy : Wanted(arguments.policies)) {
            if (Skipped(scale, policy, arguments)) continue;
            options.policy = policy;
            rows.push_back(RunOne(options));
            const std::string text = (first ? Heading(rows.back()) : "") + Line(rows.back()) + "\n";
            first = false;
            std::cout << text << std::flush;
            tables += text;
          }
        }
      }
    }
  }
  return tables;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

void WritePage(const std::string& path, const std::string& tables) {
  std::string page = ReadFile(path);
  const size_t begin = page.find(kBegin);
  const size_t end = page.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin) {
    throw std::runtime_error(path + " has no " + kBegin + " before " + kEnd);
  }
  const size_t from = begin + sizeof(kBegin) - 1;
  WriteFile(path, page.replace(from, end - from, "\n" + tables + "\n"));
}

void Run(const Arguments& arguments) {
  std::vector<Row> rows;
  std::string tables = Tables(arguments, rows);
  tables = Worth(rows) + tables;
  Json json = Json::array();
  double seconds = 0;
  for (const Row& row : rows) {
    json.push_back(ToJson(row));
    seconds += row.seconds;
  }
  if (!arguments.output.empty()) WriteFile(arguments.output, json.dump(1) + "\n");
  if (!arguments.page.empty()) WritePage(arguments.page, tables);
  std::cout << "\n" << rows.size() << " runs in " << Number(seconds, 0) << " s\n";
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("The scheduler among modelled workers, under virtual time");
  app.option_defaults()->delimiter(',');
  app.add_option("--workers", arguments.workers, "sizes of fleets")->capture_default_str();
  app.add_option("--zipf", arguments.zipf, "exponents of popularity")->capture_default_str();
  app.add_option("--load", arguments.utilisation, "of what the fleet could do with perfect caches")
      ->capture_default_str();
  app.add_option("--policies", arguments.policies, "by their names in the tables; all of them");
  app.add_option("--seed", arguments.seed, "the first seed")->capture_default_str();
  app.add_option("--seeds", arguments.seeds, "runs of each")->capture_default_str();
  app.add_option("--tasks", arguments.tasks, "of each run; by the fleet's size");
  app.add_option("--hot-replicas", arguments.hot_replicas)->capture_default_str();
  app.add_option("--load-factor", arguments.load_factor)->capture_default_str();
  app.add_option("--crashes", arguments.crashes, "of each worker in an hour");
  app.add_option("--freezes", arguments.freezes, "of each worker in an hour");
  app.add_option("--drains", arguments.drains, "of each worker in an hour");
  app.add_option("--output", arguments.output, "JSON file");
  app.add_option("--page", arguments.page, "Markdown page whose tables are replaced");
  CLI11_PARSE(app, argc, argv);
  try {
    Run(arguments);
  } catch (const std::exception& error) {
    std::cerr << "eider_simulate: " << error.what() << "\n";
    return 1;
  }
  return 0;
}
