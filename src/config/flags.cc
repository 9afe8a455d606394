#include <CLI/CLI.hpp>
#include <map>
#include <utility>

#include "config/layer.h"

namespace eider::config {
namespace {

bool LooksLikeFlag(const std::string& token) { return token.size() > 1 && token.front() == '-'; }

std::string UnknownFlag(Command command, const std::string& token) {
  std::vector<std::string> names;
  for (const OptionSpec& spec : OptionTable()) {
    if (TakenBy(spec, command)) names.push_back("--" + std::string(spec.name));
  }
  const std::string flag = token.substr(0, token.find('='));
  const std::string nearest = Nearest(flag, names);
  const std::string name(CommandName(command));
  return "unknown flag " + flag +
         (nearest.empty() ? ": see 'eider " + name + " --help'"
                          : ": did you mean " + nearest + "?");
}

}  // namespace

Flags ReadFlags(Command command, const std::vector<std::string>& tokens) {
  Flags flags;
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  bool help = false;
  app.add_flag("-h,--help", help);
  std::vector<std::pair<const OptionSpec*, CLI::Option*>> options;
  std::map<const OptionSpec*, std::vector<std::string>> values;
  for (const OptionSpec& spec : OptionTable()) {
    if (!TakenBy(spec, command)) continue;
    std::string names = "--" + std::string(spec.name);
    if (spec.letter != 0) names = std::string("-") + spec.letter + "," + names;
    CLI::Option* option = nullptr;
    if (spec.kind == Kind::kSwitch) {
      option = app.add_flag(names);
    } else {
      // Several values after one flag only where nothing else could be meant.
      option =
          app.add_option(names, values[&spec])
              ->type_size(1)
              ->expected(1, spec.kind == Kind::kWorkers ? CLI::detail::expected_max_vector_size : 1)
              ->allow_extra_args(spec.kind == Kind::kWorkers)
              ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    }
    options.emplace_back(&spec, option);
  }
  try {
    app.parse(std::vector<std::string>(tokens.rbegin(), tokens.rend()));
  } catch (const CLI::Error& error) {
    flags.layer.problems.emplace_back(error.what());
    return flags;
  }
  flags.help = help;
  for (const std::string& token : app.remaining()) {
    if (token == "--") continue;
    if (LooksLikeFlag(token) && token.find(' ') == std::string::npos) {
      flags.layer.problems.push_back(UnknownFlag(command, token));
    } else {
      flags.positionals.push_back(token);
    }
  }
  for (const auto& [spec, option] : options) {
    if (option->count() == 0) continue;
    const std::string flag = "--" + std::string(spec->name);
    std::vector<std::string> texts = option->results();
    if (!IsList(spec->kind) && texts.size() > 1) {
      flags.layer.problems.push_back(flag + " is given " + std::to_string(texts.size()) +
                                     " times: give it once");
      continue;
    }
    flags.layer.given.push_back({spec, std::move(texts), flag});
  }
  return flags;
}

}  // namespace eider::config
