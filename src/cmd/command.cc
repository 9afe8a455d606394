#include "cmd/command.h"

#include <algorithm>
#include <cstdio>

namespace eider::cmd {

int Refuse(config::Command command, const arrow::Status& why) {
  std::string line = why.message();
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::fprintf(stderr, "eider %s: %s\n", std::string(config::CommandName(command)).c_str(),
               line.c_str());
  return kCannotStart;
}

std::string Version() { return EIDER_VERSION; }

}  // namespace eider::cmd
