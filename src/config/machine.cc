#include "config/machine.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

extern char** environ;

namespace eider::config {
namespace {

int CoresByAffinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
}

// cgroup v2's "quota period" in microseconds, or "max period".
int CoresByCgroup(int cores) {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  double quota = 0;
  double period = 0;
  if (file >> quota >> period && quota > 0 && period > 0) {
    return std::clamp(static_cast<int>(std::ceil(quota / period)), 1, cores);
  }
  return cores;
}

int64_t MemoryByCgroup(int64_t memory) {
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream file(path);
    int64_t limit = 0;
    if (file >> limit && limit > 0) return std::min(limit, memory);
  }
  return memory;
}

}  // namespace

Machine ReadMachine() {
  Machine machine;
  machine.cores = CoresByCgroup(CoresByAffinity());
  machine.memory_bytes =
      MemoryByCgroup(int64_t{sysconf(_SC_PHYS_PAGES)} * int64_t{sysconf(_SC_PAGE_SIZE)});
  std::error_code error;
  machine.executable_dir =
      std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
  machine.uid = static_cast<int>(getuid());
  return machine;
}

Environment ReadEnvironment() {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string::npos) environment[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return environment;
}

std::string DefaultStateDir(const Environment& environment, const Machine& machine) {
  const auto find = [&](const char* name) {
    const auto it = environment.find(name);
    return it == environment.end() ? std::string() : it->second;
  };
  if (const std::string xdg = find("XDG_STATE_HOME"); !xdg.empty()) return xdg + "/eider";
  std::error_code error;
  if (const std::string home = find("HOME");
      !home.empty() && std::filesystem::is_directory(home, error)) {
    return home + "/.local/state/eider";
  }
  return "/tmp/eider-" + std::to_string(machine.uid);
}

}  // namespace eider::config
