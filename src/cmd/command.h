// What main() starts: one function a subcommand, each in the file of its name.
#pragma once

#include <arrow/status.h>

#include <string>
#include <vector>

#include "config/machine.h"
#include "config/option_table.h"

namespace eider::cmd {

// Exit codes.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;         // the query failed, or what was asked is not there
inline constexpr int kCannotStart = 2;    // a bad option, a port in use, an unwritable folder
inline constexpr int kInterrupted = 130;  // Ctrl-C

struct Invocation {
  std::vector<std::string> tokens;  // what follows the command's name
  config::Environment environment;
  config::Machine machine;
};

int RunUp(const Invocation& invocation);
int RunCoordinator(const Invocation& invocation);
int RunWorker(const Invocation& invocation);
int RunQuery(const Invocation& invocation);
int RunExplain(const Invocation& invocation);
int RunStatus(const Invocation& invocation);
int RunKeygen(const Invocation& invocation);
int RunCache(const Invocation& invocation);

// Prints why a command does not start, as one line to stderr; returns kCannotStart.
int Refuse(config::Command command, const arrow::Status& why);

// Prints an error to stderr, "error CODE: why", without a code where none was given; kFailed.
int Report(const arrow::Status& why);

std::string Version();

}  // namespace eider::cmd
