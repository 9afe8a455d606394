// eider query SQL
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/random.h"
#include "cmd/command.h"
#include "cmd/coordinator_api.h"
#include "cmd/output_file.h"
#include "cmd/progress.h"
#include "cmd/query_request.h"
#include "cmd/query_summary.h"
#include "cmd/result_stream.h"
#include "cmd/result_writer.h"
#include "cmd/signals.h"
#include "cmd/terminal.h"
#include "config/load.h"
#include "rpc/http/client.h"

namespace eider::cmd {
namespace {

constexpr auto kCommand = config::Command::kQuery;
// For the coordinator to say itself that the time is over.
constexpr int64_t kTimeoutGraceMs = 10'000;
// For the worker's report to arrive at the coordinator.
constexpr int64_t kReportWaitMs = 1'000;

bool IsBinary(config::OutputFormat format) {
  return format == config::OutputFormat::kArrow || format == config::OutputFormat::kParquet;
}

// What is wrong with the options besides their form.
arrow::Status CheckOutput(const config::QueryOptions& options) {
  if (IsBinary(options.format) && options.output.empty() && isatty(STDOUT_FILENO) != 0) {
    return arrow::Status::Invalid(
        "--format arrow and parquet are not for a terminal: name a file with --output");
  }
  return arrow::Status::OK();
}

// Why the stream broke: what the coordinator knows of it, else how it looked from here.
arrow::Status WhyBroken(const std::string& url, const std::string& client,
                        const arrow::Status& seen) {
  const auto query = FindQuery(url, client);
  const protocol::Value* error = query ? query->Find("error") : nullptr;
  if (error != nullptr && error->kind == protocol::Value::Kind::kStruct) {
    if (auto info = base::DecodeError(protocol::EncodeJson(*error))) {
      return base::MakeError(*std::move(info));
    }
  }
  return seen;
}

// What it cost, on a terminal; nothing where the coordinator cannot say.
void Summarize(const std::string& url, const std::string& client) {
  if (isatty(STDERR_FILENO) == 0) return;
  const auto query = FindQuery(url, client);
  const protocol::Value* id = query ? query->Find("id") : nullptr;
  if (id == nullptr) return;
  const auto record =
      GetJson(url, "/v1/queries/" + id->text + "?wait_ms=" + std::to_string(kReportWaitMs));
  if (!record.ok()) return;
  const std::string summary = QuerySummary(*record);
  if (!summary.empty()) std::fprintf(stderr, "%s\n", summary.c_str());
}

int Execute(const config::QueryOptions& options, const std::string& body) {
  auto output = OutputFile::Open(options.output);
  if (!output.ok()) return Refuse(kCommand, output.status());
  const std::string client = "eider-query-" + base::RandomHex(8);
  const SignalWatch signals([&](int) {
    (*output)->Discard();
    CancelQuery(options.url, client);
    if (isatty(STDERR_FILENO) != 0) std::fputs("\r\033[K", stderr);
    _exit(kInterrupted);
  });
  const bool to_terminal = options.output.empty() && isatty(STDOUT_FILENO) != 0;
  const auto writer = MakeResultWriter(
      options.format, (*output)->stream(),
      {.max_rows = options.max_rows, .max_width = to_terminal ? TerminalWidth() : 0});
  ResultStream stream(writer.get());
  const bool quiet_stdout = !to_terminal || options.format == config::OutputFormat::kTable;
  Progress progress(&stream, isatty(STDERR_FILENO) != 0 && quiet_stdout);
  const auto answer =
      rpc::Fetch("POST", options.url + (options.write ? "/write" : "/read"),
                 {{"Content-Type", "application/json"},
                  {"Accept", "application/vnd.apache.arrow.stream"},
                  {"X-Eider-Client", client}},
                 body, options.timeout_ms > 0 ? options.timeout_ms + kTimeoutGraceMs : 0,
                 [&](std::string_view bytes) { return stream.Take(bytes); });
  progress.Stop();
  if (!answer.ok()) {
    const bool started = stream.bytes() > 0;
    return Report(started ? WhyBroken(options.url, client, answer.status())
                          : WithHint(answer.status()));
  }
  if (answer->status != 200) {
    return Report(base::MakeError(ErrorOfAnswer(answer->status, answer->body)));
  }
  arrow::Status finished = stream.Finish();
  if (finished.ok()) finished = (*output)->Commit();
  if (!finished.ok()) return Report(finished);
  Summarize(options.url, client);
  return kDone;
}

}  // namespace

int RunQuery(const Invocation& invocation) {
  const auto told =
      config::Read(kCommand, invocation.tokens, invocation.environment, invocation.machine);
  if (!told.ok()) return Refuse(kCommand, told.status());
  const auto options = config::MakeQueryOptions(*told);
  if (!options.ok()) return Refuse(kCommand, options.status());
  if (const auto good = CheckOutput(*options); !good.ok()) return Refuse(kCommand, good);
  const auto body = EncodeQueryRequest(*options, ReadSql(options->sql));
  if (!body.ok()) return Refuse(kCommand, body.status());
  return Execute(*options, *body);
}

}  // namespace eider::cmd
