#include "cmd/command.h"

#include <algorithm>
#include <cstdio>

#include "base/error.h"

namespace eider::cmd {

int Refuse(config::Command command, const arrow::Status& why) {
  std::string line = why.message();
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::fprintf(stderr, "eider %s: %s\n", std::string(config::CommandName(command)).c_str(),
               line.c_str());
  return kCannotStart;
}

int Report(const arrow::Status& why) {
  std::string code;
  bool retryable = false;
  if (why.detail() != nullptr) {
    const base::ErrorInfo error = base::ErrorOf(why);
    code = " " + std::string(base::ErrorName(error.code));
    retryable = error.retryable;
  }
  std::fprintf(stderr, "error%s: %s\n", code.c_str(), why.message().c_str());
  if (retryable) std::fputs("(the same may well succeed when it is run again)\n", stderr);
  return kFailed;
}

std::string Version() { return EIDER_VERSION; }

}  // namespace eider::cmd
