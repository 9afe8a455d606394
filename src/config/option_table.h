// Every option of every command, once: its names, type, default, bounds and help.
//
// The option `memory-limit` is the flag --memory-limit, the environment variable
// EIDER_MEMORY_LIMIT and the key memory_limit of the configuration file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace eider::config {

enum class Command : unsigned {
  kUp = 1,
  kCoordinator = 2,
  kWorker = 4,
  kQuery = 8,
  kStatus = 16,
  kKeygen = 32,
  kCache = 64,
  kExplain = 128,
};
std::string_view CommandName(Command command);
const std::vector<Command>& AllCommands();

enum class Kind {
  kText,       // string
  kInteger,    // int64_t, min to max
  kBytes,      // int64_t bytes, min to max
  kMemory,     // the same, or a part of the machine's memory in percent
  kDuration,   // int64_t milliseconds, min to max
  kAge,        // the same, or "never", which is -1
  kDelay,      // int64_t milliseconds, min to max, or "auto" or "off": kDelayAuto, kDelayOff
  kFactor,     // int64_t thousandths, min to max
  kDollars,    // int64_t billionths of a dollar, min to max
  kSwitch,     // bool; the flag without a value means on
  kOnOff,      // bool; the flag needs its value
  kChoice,     // string, one of `choices`
  kHost,       // string: an address to bind
  kHostPort,   // string: "host:port", the port may be missing
  kEndpoint,   // string: "host:port" or "http(s)://host:port"
  kHttpUrl,    // string: "http://host:port"
  kWorkers,    // list of "grpc://host:port"; elements also separated by commas
  kFile,       // string: a file that can be read
  kDirectory,  // string: a folder, which need not exist yet
  kPaths,      // list of absolute paths that exist
  kTexts,      // list of strings, taken as they are
};
bool IsList(Kind kind);

struct OptionSpec {
  std::string_view name;
  Kind kind = Kind::kText;
  unsigned commands = 0;  // of Command
  std::string_view group;
  std::string_view value_name;     // in help: "PORT"
  std::string_view default_value;  // as a person would write it; empty: none, or made by load.cc
  std::string_view default_help;   // what help says instead of default_value
  std::string_view help;
  int64_t min = 0;
  int64_t max = INT64_MAX;
  std::vector<std::string_view> choices = {};
  // Environment variables of other programs that are read too, after EIDER_...; the first wins.
  std::vector<std::string_view> other_names = {};
  bool secret = false;             // its value is never shown
  bool command_line_only = false;  // neither in the environment nor in the file
  char letter = 0;                 // a short flag
};

const std::vector<OptionSpec>& OptionTable();

bool TakenBy(const OptionSpec& spec, Command command);
// nullptr where the command has no such option.
const OptionSpec* FindOption(std::string_view name, Command command);
// "EIDER_MEMORY_LIMIT".
std::string EnvironmentName(const OptionSpec& spec);
// "memory_limit".
std::string FileKey(const OptionSpec& spec);
// What the option takes, in words: "a whole number from 1 to 4096".
std::string Expectation(const OptionSpec& spec);

// The candidate that `name` was probably meant to be, or empty.
std::string Nearest(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace eider::config
