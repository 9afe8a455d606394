#include "cmd/server_start.h"

#include <spdlog/spdlog.h>

#include <cstdio>

#include "cmd/descriptors.h"
#include "cmd/logging.h"
#include "cmd/signals.h"

namespace eider::cmd {

arrow::Result<protocol::ClusterKey> OpenClusterKey(const config::ListenOptions& listen) {
  if (!listen.cluster_key_file.empty()) {
    return protocol::ClusterKey::Read(listen.cluster_key_file);
  }
  return protocol::ClusterKey::ReadOrCreate(listen.state_dir + "/cluster.key");
}

void BeginServer(const config::LogOptions& options, const std::string& process,
                 const std::vector<std::string>& warnings) {
  IgnoreBrokenPipes();
  StartLogging(options, process);
  for (const std::string& warning : warnings) spdlog::warn("{}", warning);
  RaiseDescriptorLimit();
}

void Say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

}  // namespace eider::cmd
