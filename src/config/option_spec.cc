// What can be said of an option from its row of the table.
#include <algorithm>
#include <cctype>

#include "config/limits.h"
#include "config/option_table.h"
#include "config/quantity.h"

namespace eider::config {
namespace {

std::string Range(const OptionSpec& spec, std::string (*format)(int64_t)) {
  if (spec.max == INT64_MAX) {
    return spec.min > 0 ? ", at least " + format(spec.min) : std::string();
  }
  return " from " + format(spec.min) + " to " + format(spec.max);
}

std::string Number(int64_t number) { return std::to_string(number); }

std::string Duration(int64_t ms) {
  return ms % kHourMs == 0 && ms > 0 ? std::to_string(ms / kHourMs) + "h"
                                     : std::to_string(ms) + "ms";
}

std::string Thousandths(int64_t thousandths) {
  std::string text = std::to_string(static_cast<double>(thousandths) / 1e3);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

size_t EditDistance(std::string_view left, std::string_view right) {
  std::vector<size_t> row(right.size() + 1);
  for (size_t j = 0; j <= right.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= left.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= right.size(); ++j) {
      const size_t substituted = diagonal + (left[i - 1] == right[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

}  // namespace

const std::vector<Command>& AllCommands() {
  static const std::vector<Command> commands = {
      Command::kUp,      Command::kCoordinator, Command::kWorker, Command::kQuery,
      Command::kExplain, Command::kStatus,      Command::kCache,  Command::kKeygen};
  return commands;
}

std::string_view CommandName(Command command) {
  switch (command) {
    case Command::kUp:
      return "up";
    case Command::kCoordinator:
      return "coordinator";
    case Command::kWorker:
      return "worker";
    case Command::kQuery:
      return "query";
    case Command::kStatus:
      return "status";
    case Command::kKeygen:
      return "keygen";
    case Command::kCache:
      return "cache";
    case Command::kExplain:
      return "explain";
  }
  return "";
}

bool IsList(Kind kind) {
  return kind == Kind::kWorkers || kind == Kind::kPaths || kind == Kind::kTexts;
}

bool TakenBy(const OptionSpec& spec, Command command) {
  return (spec.commands & static_cast<unsigned>(command)) != 0;
}

const OptionSpec* FindOption(std::string_view name, Command command) {
  for (const OptionSpec& spec : OptionTable()) {
    if (spec.name == name && TakenBy(spec, command)) return &spec;
  }
  return nullptr;
}

std::string EnvironmentName(const OptionSpec& spec) {
  std::string name = "EIDER_";
  for (const char c : spec.name) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

std::string FileKey(const OptionSpec& spec) {
  std::string key(spec.name);
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

std::string Expectation(const OptionSpec& spec) {
  switch (spec.kind) {
    case Kind::kText:
      return "a text that is not empty";
    case Kind::kInteger:
      return "a whole number" + Range(spec, Number);
    case Kind::kBytes:
      return "a size such as 512MiB or 4GB" + Range(spec, FormatBytes);
    case Kind::kMemory:
      return "a size such as 4GiB, or a part of the machine's memory such as 80%" +
             Range(spec, FormatBytes);
    case Kind::kDuration:
      return "a time such as 500ms, 30s or 1h" + Range(spec, Duration);
    case Kind::kAge:
      return "a time such as 10s, or never";
    case Kind::kDelay:
      return "auto, off, or a time" + Range(spec, Duration);
    case Kind::kFactor:
      return "a number such as 1.25" + Range(spec, Thousandths);
    case Kind::kDollars:
      return "an amount of dollars such as 0.0004, up to 1000000";
    case Kind::kSwitch:
    case Kind::kOnOff:
      return "on or off";
    case Kind::kChoice: {
      std::string text = "one of";
      for (size_t i = 0; i < spec.choices.size(); ++i) {
        text += (i == 0 ? " " : ", ") + std::string(spec.choices[i]);
      }
      return text;
    }
    case Kind::kHost:
      return "an IP address of this machine or localhost, such as 127.0.0.1 or 0.0.0.0";
    case Kind::kHostPort:
      return "host:port or a host alone";
    case Kind::kEndpoint:
      return "host:port or http(s)://host:port";
    case Kind::kHttpUrl:
      return "http://host:port";
    case Kind::kWorkers:
      return "addresses such as grpc://host:5005";
    case Kind::kFile:
      return "a file that can be read";
    case Kind::kDirectory:
      return "a folder";
    case Kind::kPaths:
      return "a file or folder that exists";
    case Kind::kTexts:
      return "a text";
  }
  return "";
}

std::string Nearest(std::string_view name, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(name.size() / 3, 1) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace eider::config
