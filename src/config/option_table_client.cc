// The options of the commands that ask: query, explain, status, cache.
#include "config/limits.h"
#include "config/option_groups.h"

namespace eider::config {

void AddClientOptions(std::vector<OptionSpec>& table) {
  const auto group = "The query";
  table.push_back({.name = "url",
                   .kind = Kind::kHttpUrl,
                   .commands = kClients,
                   .group = group,
                   .value_name = "http://HOST:PORT",
                   .default_value = "http://127.0.0.1:5000",
                   .default_help = "",
                   .help = "the coordinator to ask"});
  table.push_back({.name = "param",
                   .kind = Kind::kTexts,
                   .commands = kQuery | kExplain,
                   .group = group,
                   .value_name = "VALUE",
                   .default_value = "",
                   .default_help = "",
                   .help = "value for the next '?', or NAME=VALUE for '$NAME'; JSON where it is "
                           "JSON, else a string; repeat it",
                   .command_line_only = true,
                   .letter = 'p'});
  table.push_back({.name = "write",
                   .kind = Kind::kSwitch,
                   .commands = kQuery | kExplain,
                   .group = group,
                   .value_name = "",
                   .default_value = "off",
                   .default_help = "",
                   .help = "the statement writes: COPY ... TO 's3://...'",
                   .command_line_only = true});
  table.push_back({.name = "timeout",
                   .kind = Kind::kDuration,
                   .commands = kQuery,
                   .group = group,
                   .value_name = "TIME",
                   .default_value = "",
                   .default_help = "the coordinator's",
                   .help = "give up after this time",
                   .min = 1,
                   .max = kMaxTimeoutMs});
  table.push_back({.name = "cache-mode",
                   .kind = Kind::kChoice,
                   .commands = kQuery | kExplain,
                   .group = group,
                   .value_name = "MODE",
                   .default_value = "use",
                   .default_help = "",
                   .help = "use, passive, off or refresh",
                   .choices = {"use", "passive", "off", "refresh"}});
  table.push_back({.name = "format",
                   .kind = Kind::kChoice,
                   .commands = kQuery,
                   .group = group,
                   .value_name = "FORMAT",
                   .default_value = "table",
                   .default_help = "",
                   .help = "table, csv, json, arrow or parquet",
                   .choices = {"table", "csv", "json", "arrow", "parquet"},
                   .letter = 'f'});
  table.push_back({.name = "format",
                   .kind = Kind::kChoice,
                   .commands = kExplain,
                   .group = group,
                   .value_name = "FORMAT",
                   .default_value = "table",
                   .default_help = "",
                   .help = "table, or the coordinator's json",
                   .choices = {"table", "json"},
                   .letter = 'f'});
  table.push_back({.name = "output",
                   .kind = Kind::kText,
                   .commands = kQuery,
                   .group = group,
                   .value_name = "FILE",
                   .default_value = "",
                   .default_help = "standard output",
                   .help = "write the result to a file",
                   .command_line_only = true,
                   .letter = 'o'});
  table.push_back({.name = "max-rows",
                   .kind = Kind::kInteger,
                   .commands = kQuery,
                   .group = group,
                   .value_name = "N",
                   .default_value = "40",
                   .default_help = "",
                   .help = "rows of a table that are shown",
                   .min = 1,
                   .max = kMaxTableRows});
  table.push_back({.name = "json",
                   .kind = Kind::kSwitch,
                   .commands = kStatus,
                   .group = group,
                   .value_name = "",
                   .default_value = "off",
                   .default_help = "",
                   .help = "print the coordinator's JSON",
                   .command_line_only = true});
  table.push_back({.name = "json",
                   .kind = Kind::kSwitch,
                   .commands = kCache,
                   .group = "The answer",
                   .value_name = "",
                   .default_value = "off",
                   .default_help = "",
                   .help = "print JSON, for programs",
                   .command_line_only = true});
}

}  // namespace eider::config
