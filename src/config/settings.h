// The merged and checked settings of one command, by option name; load.h makes typed structs of
// them.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/layer.h"

namespace eider::config {

using SettingValue = std::variant<bool, int64_t, std::string, std::vector<std::string>>;

// What the words of a Kind::kDelay are.
inline constexpr int64_t kDelayAuto = -1;
inline constexpr int64_t kDelayOff = -2;

struct Setting {
  SettingValue value;
  std::string origin;  // "--port", "EIDER_PORT", "eider.toml:12", "the default"
};

// The checked value of an option; none where `texts` are not what it takes.
std::optional<SettingValue> ParseSetting(const OptionSpec& spec,
                                         const std::vector<std::string>& texts,
                                         const Machine& machine);

class Settings {
 public:
  // Takes each option of `command` from the first layer that has it, else its default. Errors:
  // Invalid with every problem of every layer and every value that is not right, in one line.
  static arrow::Result<Settings> Merge(Command command, const std::vector<Layer>& layers,
                                       const Machine& machine);

  Command command() const { return command_; }
  // The value of an option of the command, or an empty one where it was not given and has no
  // default.
  bool Flag(std::string_view name) const;
  int64_t Number(std::string_view name) const;
  std::string Text(std::string_view name) const;
  std::vector<std::string> List(std::string_view name) const;
  // nullptr where it was not given and has no default.
  const Setting* Find(std::string_view name) const;
  bool Has(std::string_view name) const { return Find(name) != nullptr; }

 private:
  Command command_ = Command::kUp;
  std::map<std::string, Setting, std::less<>> settings_;
};

}  // namespace eider::config
