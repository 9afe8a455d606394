// eider keygen FILE
#include <cstdio>

#include "cmd/command.h"
#include "config/load.h"
#include "protocol/cluster_key.h"

namespace eider::cmd {

int RunKeygen(const Invocation& invocation) {
  constexpr auto kCommand = config::Command::kKeygen;
  const auto told =
      config::Read(kCommand, invocation.tokens, invocation.environment, invocation.machine);
  if (!told.ok()) return Refuse(kCommand, told.status());
  const auto options = config::MakeKeygenOptions(*told);
  if (!options.ok()) return Refuse(kCommand, options.status());
  if (const auto written = protocol::ClusterKey::WriteNew(options->file); !written.ok()) {
    return Refuse(kCommand, written);
  }
  std::printf(
      "wrote a new cluster key to %s: give the same file to coordinator and workers by "
      "--cluster-key-file, and to nobody else\n",
      options->file.c_str());
  return kDone;
}

}  // namespace eider::cmd
