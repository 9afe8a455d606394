// The program: picks the subcommand.
#include <cstdio>
#include <string>
#include <vector>

#include "cmd/command.h"
#include "config/help.h"

namespace {

using eider::cmd::Invocation;
using eider::config::Command;

int Run(Command command, const Invocation& invocation) {
  switch (command) {
    case Command::kUp:
      return eider::cmd::RunUp(invocation);
    case Command::kCoordinator:
      return eider::cmd::RunCoordinator(invocation);
    case Command::kWorker:
      return eider::cmd::RunWorker(invocation);
    case Command::kQuery:
      return eider::cmd::RunQuery(invocation);
    case Command::kExplain:
      return eider::cmd::RunExplain(invocation);
    case Command::kStatus:
      return eider::cmd::RunStatus(invocation);
    case Command::kKeygen:
      return eider::cmd::RunKeygen(invocation);
    case Command::kCache:
      return eider::cmd::RunCache(invocation);
  }
  return eider::cmd::kCannotStart;
}

bool AsksForHelp(const std::vector<std::string>& tokens) {
  for (const std::string& token : tokens) {
    if (token == "--") return false;
    if (token == "-h" || token == "--help") return true;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  if (name.empty() || name == "help" || name == "--help" || name == "-h") {
    std::fputs(eider::config::GeneralHelp().c_str(), name.empty() ? stderr : stdout);
    return name.empty() ? eider::cmd::kCannotStart : eider::cmd::kDone;
  }
  if (name == "version" || name == "--version") {
    std::printf("eider %s\n", eider::cmd::Version().c_str());
    return eider::cmd::kDone;
  }
  std::vector<std::string> names = {"version", "help"};
  for (const Command command : eider::config::AllCommands()) {
    names.emplace_back(eider::config::CommandName(command));
    if (names.back() != name) continue;
    const std::vector<std::string> tokens(argv + 2, argv + argc);
    if (AsksForHelp(tokens)) {
      std::fputs(eider::config::CommandHelp(command).c_str(), stdout);
      return eider::cmd::kDone;
    }
    return Run(command, {tokens, eider::config::ReadEnvironment(), eider::config::ReadMachine()});
  }
  const std::string nearest = eider::config::Nearest(name, names);
  std::fprintf(
      stderr, "eider: there is no command '%s': %s\n", name.c_str(),
      nearest.empty() ? "see 'eider --help'" : ("did you mean 'eider " + nearest + "'?").c_str());
  return eider::cmd::kCannotStart;
}
