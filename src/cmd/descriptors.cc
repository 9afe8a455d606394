#include "cmd/descriptors.h"

#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

namespace eider::cmd {
namespace {

int64_t ToInt64(rlim_t limit) {
  constexpr auto kMax = static_cast<rlim_t>(std::numeric_limits<int64_t>::max());
  return static_cast<int64_t>(std::min(limit, kMax));
}

}  // namespace

int64_t RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (before == limit.rlim_max || setrlimit(RLIMIT_NOFILE, &limit) == 0) {
    return ToInt64(limit.rlim_cur);
  }
  spdlog::warn("the limit of open files stays at {}: {}", before, std::strerror(errno));
  return ToInt64(before);
}

}  // namespace eider::cmd
