// What the three server commands do alike before they start.
#pragma once

#include <arrow/result.h>

#include <string>
#include <vector>

#include "config/options.h"
#include "protocol/cluster_key.h"

namespace eider::cmd {

// The key of --cluster-key-file, or the state directory's own, made where it is missing.
arrow::Result<protocol::ClusterKey> OpenClusterKey(const config::ListenOptions& listen);

// Sets up the log and writes the warnings of the configuration to it; lets the process open as many
// files as it may.
void BeginServer(const config::LogOptions& options, const std::string& process,
                 const std::vector<std::string>& warnings);

// To stdout, at once: what a person or a script waits for.
void Say(const std::string& line);

}  // namespace eider::cmd
