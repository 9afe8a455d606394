// Facts of the machine that defaults are made from.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace eider::config {

// The environment, handed around by value so that tests need not change their own.
using Environment = std::map<std::string, std::string>;

struct Machine {
  int cores = 1;             // that this process may use, by affinity and cgroup
  int64_t memory_bytes = 0;  // likewise
  std::string executable_dir;
  int uid = 0;
};

Machine ReadMachine();
Environment ReadEnvironment();

// $XDG_STATE_HOME/eider, or ~/.local/state/eider, or /tmp/eider-<uid> where there is no home.
std::string DefaultStateDir(const Environment& environment, const Machine& machine);

}  // namespace eider::config
