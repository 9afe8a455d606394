// The process's log: one line for each event to stderr, text for people or JSON for programs.
#pragma once

#include <string>

#include "config/options.h"
#include "protocol/value.h"

namespace eider::cmd {

// Sets up spdlog's default logger, which every log line goes through. Call once, before threads.
void StartLogging(const config::LogOptions& options, const std::string& process);

// Logs `event` with its fields, a struct of scalars, at the level info: in the text format as
// "event: name=value name=\"two words\"", in JSON with the fields as members of the line's object.
void LogEvent(const std::string& event, const protocol::Value& fields);

}  // namespace eider::cmd
