// Runs statements through engine::Engine alone: the reads of a worker without its worker.
//
//   engine_reads [--cache-dir DIR] [--cache-size BYTES] [--revalidate-ms MS] [--cache off]
//                [--threads N] [--allow-path PATH]...
//
// S3 is named by AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
// Standard input has a JSON object a line, each answered by one; plain_reads.py speaks the same:
//
//   {"statements": ["SELECT ...", ...], "threads": 8}     run to their ends, by that many threads
//     -> {"ms": 12.3, "cpu_ms": 20.1, "rows": 4200, "figures": [{...}, ...]}
//   {"command": "clear"}                                  drops what is cached
//     -> {}
//
// A failure is {"error": "..."}. cpu_ms is of the whole process, user and system.
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "protocol/figures.h"
#include "protocol/value.h"

namespace {

using eider::engine::Engine;
using eider::engine::EngineOptions;
using nlohmann::json;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

EngineOptions ParseOptions(int count, char** words) {
  EngineOptions options;
  options.extension_dir = EIDER_EXTENSION_DIR;
  options.cache_size_bytes = int64_t{16} << 30;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string name = words[i];
    const std::string value = words[i + 1];
    if (name == "--threads") {
      options.threads = std::stoi(value);
    } else if (name == "--cache") {
      options.cache = value != "off";
    } else if (name == "--allow-path") {
      options.allowed_paths.push_back(value);
    } else if (name == "--cache-dir") {
      options.cache_dir = value;
    } else if (name == "--cache-size") {
      options.cache_size_bytes = std::stoll(value);
    } else if (name == "--revalidate-ms") {
      options.revalidate_ms = std::stoll(value);
    } else {
      throw std::runtime_error("no option " + name);
    }
  }
  std::string endpoint = Environment("AWS_ENDPOINT_URL");
  options.s3.use_ssl = !endpoint.starts_with("http://");
  if (const size_t mark = endpoint.find("://"); mark != std::string::npos) {
    endpoint.erase(0, mark + 3);
  }
  options.s3.endpoint = endpoint;
  options.s3.path_style = !endpoint.empty();
  options.s3.region = Environment("AWS_REGION");
  options.s3.key_id = Environment("AWS_ACCESS_KEY_ID");
  options.s3.secret_key = Environment("AWS_SECRET_ACCESS_KEY");
  return options;
}

void Check(const arrow::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

// The statement's figures, when it has been read to its end.
json RunOne(Engine& engine, const std::string& sql) {
  eider::engine::Statement statement;
  statement.sql = sql;
  auto execution = engine.Execute(statement);
  Check(execution.status());
  while (true) {
    auto batch = (*execution)->Next();
    Check(batch.status());
    if (*batch == nullptr) break;
  }
  return json::parse(
      eider::protocol::EncodeJson(eider::protocol::EncodeFigures((*execution)->figures())));
}

double CpuMs() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto ms = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
  };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

json RunAll(Engine& engine, const std::vector<std::string>& statements, int threads) {
  std::vector<json> figures(statements.size());
  std::vector<std::string> errors(static_cast<size_t>(threads));
  std::atomic<size_t> next{0};
  const auto work = [&](std::string& error) {
    try {
      for (size_t i; (i = next++) < statements.size();) figures[i] = RunOne(engine, statements[i]);
    } catch (const std::exception& exception) {
      error = exception.what();
    }
  };
  const double cpu_ms = CpuMs();
  const auto start = std::chrono::steady_clock::now();
  if (threads == 1) {
    work(errors[0]);
  } else {
    std::vector<std::jthread> running;
    for (std::string& error : errors) running.emplace_back(work, std::ref(error));
  }
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  const double cpu_took_ms = CpuMs() - cpu_ms;
  for (const std::string& error : errors) {
    if (!error.empty()) throw std::runtime_error(error);
  }
  int64_t rows = 0;
  for (const json& one : figures) rows += one["rows"].get<int64_t>();
  return {{"ms", took.count()}, {"cpu_ms", cpu_took_ms}, {"rows", rows}, {"figures", figures}};
}

json Answer(Engine& engine, const json& request) {
  if (request.value("command", "") == "clear") {
    Check(engine.ClearCache());
    return json::object();
  }
  return RunAll(engine, request.at("statements").get<std::vector<std::string>>(),
                request.value("threads", 1));
}

}  // namespace

int main(int count, char** words) {
  try {
    auto engine = Engine::Open(ParseOptions(count, words));
    Check(engine.status());
    for (std::string line; std::getline(std::cin, line);) {
      json answer;
      try {
        answer = Answer(**engine, json::parse(line));
      } catch (const std::exception& error) {
        answer = {{"error", error.what()}};
      }
      std::cout << answer.dump() << std::endl;
    }
  } catch (const std::exception& error) {
    std::cerr << "engine_reads: " << error.what() << std::endl;
    return 1;
  }
  return 0;
}
