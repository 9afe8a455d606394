// The process's log: one line for each event to stderr, text for people or JSON for programs.
#pragma once

#include <string>

#include "config/options.h"

namespace eider::cmd {

// Sets up spdlog's default logger, which every log line goes through. Call once, before threads.
void StartLogging(const config::LogOptions& options, const std::string& process);

}  // namespace eider::cmd
