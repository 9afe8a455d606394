#include <string_view>

#include "config/layer.h"

namespace eider::config {
namespace {

void WarnOfUnknown(const Environment& environment, Layer* layer) {
  std::vector<std::string> known;
  for (const OptionSpec& spec : OptionTable()) {
    if (!spec.command_line_only) known.push_back(EnvironmentName(spec));
  }
  for (const auto& [name, value] : environment) {
    if (!name.starts_with("EIDER_")) continue;
    bool found = false;
    for (const std::string& candidate : known) found = found || candidate == name;
    if (found) continue;
    const std::string nearest = Nearest(name, known);
    layer->warnings.push_back("environment variable " + name + " is not one of Eider's" +
                              (nearest.empty() ? "" : ": did you mean " + nearest + "?"));
  }
}

}  // namespace

Layer ReadVariables(Command command, const Environment& environment) {
  Layer layer;
  for (const OptionSpec& spec : OptionTable()) {
    if (!TakenBy(spec, command) || spec.command_line_only) continue;
    std::vector<std::string> names = {EnvironmentName(spec)};
    names.insert(names.end(), spec.other_names.begin(), spec.other_names.end());
    for (const std::string& name : names) {
      const auto it = environment.find(name);
      if (it == environment.end() || it->second.empty()) continue;
      layer.given.push_back({&spec, {it->second}, name});
      break;
    }
  }
  WarnOfUnknown(environment, &layer);
  return layer;
}

}  // namespace eider::config
