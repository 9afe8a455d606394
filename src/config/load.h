// From the command line, the environment and the file to one command's typed options.
#pragma once

#include <arrow/result.h>

#include <optional>
#include <string>
#include <vector>

#include "config/machine.h"
#include "config/options.h"
#include "config/settings.h"

namespace eider::config {

// What a command was told, before it is made into its options.
struct Told {
  Settings settings;
  std::vector<std::string> positionals;
  std::vector<std::string> warnings;  // to be logged
  bool help = false;                  // --help was given: nothing else was looked at
};

// Reads all sources: flags over environment over file over defaults. `tokens` are what follows the
// command's name. Errors: Invalid, one line that names every wrong option, its value, where it came
// from and what is right.
arrow::Result<Told> Read(Command command, const std::vector<std::string>& tokens,
                         const Environment& environment, const Machine& machine);

// The options of each command, with the defaults that need the machine and the rules between
// options checked. Errors: Invalid, as above.
arrow::Result<UpOptions> MakeUpOptions(const Told& told, const Environment& environment,
                                       const Machine& machine);
arrow::Result<CoordinatorOptions> MakeCoordinatorOptions(const Told& told,
                                                         const Environment& environment,
                                                         const Machine& machine);
arrow::Result<WorkerOptions> MakeWorkerOptions(const Told& told, const Environment& environment,
                                               const Machine& machine);
arrow::Result<QueryOptions> MakeQueryOptions(const Told& told);
arrow::Result<ExplainOptions> MakeExplainOptions(const Told& told);
arrow::Result<StatusOptions> MakeStatusOptions(const Told& told);
arrow::Result<KeygenOptions> MakeKeygenOptions(const Told& told);
arrow::Result<CacheOptions> MakeCacheOptions(const Told& told);

}  // namespace eider::config
