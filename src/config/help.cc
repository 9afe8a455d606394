#include "config/help.h"

#include <algorithm>
#include <vector>

namespace eider::config {
namespace {

constexpr size_t kColumn = 30;
constexpr size_t kWidth = 96;

struct Text {
  std::string_view usage;
  std::string_view summary;
  std::string_view examples;
};

Text TextOf(Command command) {
  switch (command) {
    case Command::kUp:
      return {
          "eider up [--workers N] [options]",
          "A coordinator and N workers in one process, on loopback.",
          "  eider up --allow-path ~/data\n"
          "  AWS_ENDPOINT_URL=http://127.0.0.1:7070 eider up --workers 4 --memory-limit 8GiB\n"};
    case Command::kCoordinator:
      return {"eider coordinator [--workers grpc://HOST:PORT ...] [options]",
              "Answers clients over HTTP and Flight, and decides which worker runs what.",
              "  eider coordinator --workers grpc://localhost:5005\n"
              "  eider coordinator --bind 0.0.0.0 --cluster-key-file /etc/eider/cluster.key\n"};
    case Command::kWorker:
      return {"eider worker [--port PORT] [--coordinator URL] [options]",
              "Runs queries over S3. It is found by a coordinator that lists it, or announces "
              "itself.",
              "  eider worker --port 5005\n"
              "  eider worker --port 5006 --coordinator http://127.0.0.1:5000 --slots 16\n"};
    case Command::kQuery:
      return {"eider query SQL [options]        ('-': SQL from standard input)",
              "Runs one statement through a coordinator and prints its result.",
              "  eider query \"SELECT count(*) FROM 's3://bucket/path/*.parquet'\"\n"
              "  eider query 'SELECT * FROM read_parquet(?) LIMIT 5' -p s3://bucket/a.parquet\n"
              "  eider query - --format parquet --output result.parquet < query.sql\n"};
    case Command::kExplain:
      return {"eider explain SQL [options]      ('-': SQL from standard input)",
              "Shows where a statement would run now and why, without running it.",
              "  eider explain \"SELECT count(*) FROM 's3://bucket/path/*.parquet'\"\n"
              "  eider explain 'SELECT * FROM read_parquet(?)' -p s3://bucket/a.parquet -f json\n"};
    case Command::kStatus:
      return {"eider status [--url URL] [--json]",
              "Shows the workers of a coordinator and the queries that it knows.",
              "  eider status\n"};
    case Command::kKeygen:
      return {"eider keygen FILE",
              "Writes a new cluster key: the secret that coordinator and workers share.",
              "  eider keygen cluster.key\n"};
    case Command::kCache:
      return {"eider cache ls|stats|verify|clear DIR [--json]",
              "Looks into a worker's cache on disk: a --cache-dir. Works while the worker runs; "
              "only clear\nneeds it stopped (a running one is cleared by POST /clear_cache).",
              "  eider cache ls ~/.local/state/eider/cache-5005\n"
              "  eider cache verify ~/.local/state/eider/cache-5005      (exit code 1: corrupt)\n"};
  }
  return {};
}

// `text` from column `indent` on, broken at spaces.
std::string Wrapped(const std::string& text, size_t indent) {
  std::string out;
  size_t column = indent;
  size_t start = 0;
  while (start < text.size()) {
    size_t end = std::min(text.find(' ', start), text.size());
    const size_t length = end - start;
    if (column > indent && column + 1 + length > kWidth) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += text.substr(start, length);
    column += length;
    start = end + 1;
  }
  return out;
}

std::string OptionLine(const OptionSpec& spec) {
  std::string left = "  ";
  if (spec.letter != 0) left += std::string("-") + spec.letter + ", ";
  left += "--" + std::string(spec.name);
  if (!spec.value_name.empty()) left += " " + std::string(spec.value_name);
  std::string right(spec.help);
  const std::string_view by_default =
      spec.default_help.empty() ? spec.default_value : spec.default_help;
  if (!by_default.empty() && spec.kind != Kind::kSwitch) {
    right += " [" + std::string(by_default) + "]";
  }
  if (!spec.other_names.empty()) {
    right += " (also";
    for (const std::string_view name : spec.other_names) {
      right += (name == spec.other_names.front() ? " " : ", ") + std::string(name);
    }
    right += ")";
  }
  left += left.size() + 2 > kColumn ? "\n" + std::string(kColumn, ' ')
                                    : std::string(kColumn - left.size(), ' ');
  return left + Wrapped(right, kColumn) + "\n";
}

std::string Options(Command command) {
  std::vector<std::string_view> groups;
  for (const OptionSpec& spec : OptionTable()) {
    if (TakenBy(spec, command) &&
        std::find(groups.begin(), groups.end(), spec.group) == groups.end()) {
      groups.push_back(spec.group);
    }
  }
  std::string out;
  for (const std::string_view group : groups) {
    out += std::string(group) + ":\n";
    for (const OptionSpec& spec : OptionTable()) {
      if (TakenBy(spec, command) && spec.group == group) out += OptionLine(spec);
    }
    out += "\n";
  }
  return out;
}

}  // namespace

std::string GeneralHelp() {
  std::string out =
      "Eider: SQL over Parquet in S3, on many workers that remember what they read.\n\n"
      "Commands:\n";
  for (const Command command : AllCommands()) {
    const std::string name(CommandName(command));
    out += "  eider " + name + std::string(14 - name.size(), ' ') +
           std::string(TextOf(command).summary) + "\n";
  }
  out +=
      "  eider version       Prints the version.\n\n"
      "'eider COMMAND --help' shows a command's options.\n\n"
      "To try it:\n"
      "  eider up --allow-path .\n"
      "  eider query \"SELECT * FROM 'some.parquet' LIMIT 5\"\n";
  return out;
}

std::string CommandHelp(Command command) {
  const Text text = TextOf(command);
  std::string out = "Usage: " + std::string(text.usage) + "\n\n" + std::string(text.summary) +
                    "\n\n" + Options(command) + "Examples:\n" + std::string(text.examples);
  if (FindOption("config", command) == nullptr) return out;
  const std::string name(CommandName(command));
  return out +
         "\nEvery option is also an environment variable (--log-level is EIDER_LOG_LEVEL) and a "
         "key of\nthe --config file (log_level, at the top or in [" +
         name + "]). A flag is stronger than the environment,\nand that than the file.\n";
}

}  // namespace eider::config
