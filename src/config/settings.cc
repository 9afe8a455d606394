#include "config/settings.h"

#include <utility>

namespace eider::config {
namespace {

// A URL without the name and password that may be in it.
std::string WithoutUser(std::string text) {
  const size_t scheme = text.find("://");
  const size_t at = text.rfind('@');
  if (scheme == std::string::npos || at == std::string::npos || at < scheme) return text;
  return text.replace(scheme + 3, at - (scheme + 3), "***");
}

std::string Shown(const Given& given) {
  if (given.spec->secret) return "(not shown)";
  std::string text;
  for (const std::string& one : given.texts) text += (text.empty() ? "" : ",") + WithoutUser(one);
  return "'" + text + "'";
}

std::string WrongValue(const Given& given) {
  return "--" + std::string(given.spec->name) + " is " + Shown(given) + " (from " + given.origin +
         ") but takes " + Expectation(*given.spec);
}

std::string Joined(const std::vector<std::string>& problems) {
  std::string line;
  for (const std::string& problem : problems) line += (line.empty() ? "" : "; ") + problem;
  return line;
}

}  // namespace

arrow::Result<Settings> Settings::Merge(Command command, const std::vector<Layer>& layers,
                                        const Machine& machine) {
  Settings settings;
  settings.command_ = command;
  std::vector<std::string> problems;
  const auto set = [&](const Given& given) {
    auto value = ParseSetting(*given.spec, given.texts, machine);
    if (!value) {
      problems.push_back(WrongValue(given));
      value = SettingValue(std::string());
    }
    settings.settings_.emplace(std::string(given.spec->name),
                               Setting{std::move(*value), given.origin});
  };
  for (const Layer& layer : layers) {
    problems.insert(problems.end(), layer.problems.begin(), layer.problems.end());
    for (const Given& given : layer.given) {
      if (!settings.Has(given.spec->name)) set(given);
    }
  }
  for (const OptionSpec& spec : OptionTable()) {
    if (!TakenBy(spec, command) || spec.default_value.empty()) continue;
    if (!settings.Has(spec.name)) set({&spec, {std::string(spec.default_value)}, "the default"});
  }
  if (!problems.empty()) return arrow::Status::Invalid(Joined(problems));
  return settings;
}

const Setting* Settings::Find(std::string_view name) const {
  const auto it = settings_.find(name);
  return it == settings_.end() ? nullptr : &it->second;
}

bool Settings::Flag(std::string_view name) const {
  const Setting* setting = Find(name);
  return setting != nullptr && std::get<bool>(setting->value);
}

int64_t Settings::Number(std::string_view name) const {
  const Setting* setting = Find(name);
  return setting == nullptr ? 0 : std::get<int64_t>(setting->value);
}

std::string Settings::Text(std::string_view name) const {
  const Setting* setting = Find(name);
  return setting == nullptr ? std::string() : std::get<std::string>(setting->value);
}

std::vector<std::string> Settings::List(std::string_view name) const {
  const Setting* setting = Find(name);
  return setting == nullptr ? std::vector<std::string>()
                            : std::get<std::vector<std::string>>(setting->value);
}

}  // namespace eider::config
