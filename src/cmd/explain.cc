// eider explain SQL
#include <cstdio>
#include <string>

#include "base/error.h"
#include "cmd/command.h"
#include "cmd/coordinator_api.h"
#include "cmd/explain_view.h"
#include "cmd/query_request.h"
#include "cmd/terminal.h"
#include "config/load.h"

namespace eider::cmd {
namespace {

constexpr auto kCommand = config::Command::kExplain;

arrow::Status Show(const config::ExplainOptions& options, const std::string& body) {
  ARROW_ASSIGN_OR_RAISE(const auto route, PostJson(options.query.url, "/v1/explain", body));
  const std::string text =
      options.json ? protocol::EncodeJson(route) + "\n" : ExplainText(route, TerminalWidth());
  std::fputs(text.c_str(), stdout);
  return arrow::Status::OK();
}

}  // namespace

int RunExplain(const Invocation& invocation) {
  const auto told =
      config::Read(kCommand, invocation.tokens, invocation.environment, invocation.machine);
  if (!told.ok()) return Refuse(kCommand, told.status());
  const auto options = config::MakeExplainOptions(*told);
  if (!options.ok()) return Refuse(kCommand, options.status());
  const auto body = EncodeExplainRequest(options->query, ReadSql(options->query.sql));
  if (!body.ok()) return Refuse(kCommand, body.status());
  const auto shown = Show(*options, *body);
  if (shown.ok()) return kDone;
  return Report(shown);
}

}  // namespace eider::cmd
