// eider status
#include <cstdio>

#include "base/clock.h"
#include "base/error.h"
#include "cmd/command.h"
#include "cmd/coordinator_api.h"
#include "cmd/status_view.h"
#include "cmd/terminal.h"
#include "config/load.h"

namespace eider::cmd {
namespace {

constexpr auto kCommand = config::Command::kStatus;

arrow::Status Show(const config::StatusOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const auto workers, GetJson(options.url, "/v1/workers"));
  ARROW_ASSIGN_OR_RAISE(const auto queries, GetJson(options.url, "/v1/queries"));
  if (options.json) {
    protocol::Value both = workers;
    for (size_t i = 0; i < queries.items.size(); ++i) {
      both.With(queries.names[i], queries.items[i]);
    }
    std::printf("%s\n", protocol::EncodeJson(both).c_str());
    return arrow::Status::OK();
  }
  const std::string text =
      StatusText(workers, queries, base::SystemClock().WallMs(), TerminalWidth());
  std::fputs(text.c_str(), stdout);
  return arrow::Status::OK();
}

}  // namespace

int RunStatus(const Invocation& invocation) {
  const auto told =
      config::Read(kCommand, invocation.tokens, invocation.environment, invocation.machine);
  if (!told.ok()) return Refuse(kCommand, told.status());
  const auto options = config::MakeStatusOptions(*told);
  if (!options.ok()) return Refuse(kCommand, options.status());
  const auto shown = Show(*options);
  if (shown.ok()) return kDone;
  return Report(shown);
}

}  // namespace eider::cmd
