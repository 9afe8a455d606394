// The three sources of settings, each read into a layer; settings.h merges them.
#pragma once

#include <string>
#include <vector>

#include "config/machine.h"
#include "config/option_table.h"

namespace eider::config {

// One option as one source gives it, not yet checked.
struct Given {
  const OptionSpec* spec = nullptr;
  std::vector<std::string> texts;
  std::string origin;  // "--port", "EIDER_PORT", "eider.toml:12"
};

struct Layer {
  std::vector<Given> given;           // where an option is there twice, the first counts
  std::vector<std::string> problems;  // each stops the start
  std::vector<std::string> warnings;
};

struct Flags {
  Layer layer;
  std::vector<std::string> positionals;
  bool help = false;
};

// `tokens` are what follows the command's name. Unknown and repeated flags are problems.
Flags ReadFlags(Command command, const std::vector<std::string>& tokens);

// EIDER_... and the other programs' names; empty variables count as not set. A variable EIDER_...
// that no command knows is a warning.
Layer ReadVariables(Command command, const Environment& environment);

// A TOML file. Keys at the top are for every command, those of a table named after a command
// ([worker]) for it alone, and stronger. A table in either ([s3], [worker.s3]) is a prefix:
// `endpoint` in [s3] is s3_endpoint. Unknown keys are problems that name the line.
Layer ReadFile(Command command, const std::string& path);

}  // namespace eider::config
