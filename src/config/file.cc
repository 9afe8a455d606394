#include <toml++/toml.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include "config/layer.h"

namespace eider::config {
namespace {

std::string WithDashes(std::string_view key) {
  std::string name(key);
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::optional<Command> CommandOf(std::string_view name) {
  for (const Command command : AllCommands()) {
    if (CommandName(command) == name) return command;
  }
  return std::nullopt;
}

// A scalar as a person would write it on the command line; none for what no option takes.
std::optional<std::string> TextOf(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "on" : "off";
  if (const auto* number = node.as_floating_point()) {
    // As prices need it: to a billionth.
    char digits[400];
    std::snprintf(digits, sizeof(digits), "%.9f", number->get());
    std::string text = digits;
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text;
  }
  return std::nullopt;
}

class Reader {
 public:
  Reader(Command command, std::string path) : command_(command), path_(std::move(path)) {}

  Layer Read() {
    toml::table root;
    try {
      root = toml::parse_file(path_);
    } catch (const toml::parse_error& error) {
      layer_.problems.push_back(path_ + ":" + std::to_string(error.source().begin.line) +
                                ": not TOML: " + std::string(error.description()));
      return std::move(layer_);
    }
    // The command's own table first, since the first of equals counts.
    for (const bool own : {true, false}) {
      for (const auto& [key, node] : root) {
        const std::string_view name = key;
        const auto section = node.is_table() ? CommandOf(name) : std::nullopt;
        if (own && section) ReadTable(*node.as_table(), "", *section);
        if (!own && !section) ReadNode(std::string(name), node, "", std::nullopt);
      }
    }
    return std::move(layer_);
  }

 private:
  void ReadTable(const toml::table& table, const std::string& prefix,
                 std::optional<Command> section) {
    for (const auto& [key, node] : table) {
      ReadNode(std::string(std::string_view(key)), node, prefix, section);
    }
  }

  void ReadNode(const std::string& key, const toml::node& node, const std::string& prefix,
                std::optional<Command> section) {
    const std::string name = prefix + WithDashes(key);
    if (const auto* table = node.as_table()) return ReadTable(*table, name + "-", section);
    const std::string origin = path_ + ":" + std::to_string(node.source().begin.line);
    if (!Known(name, section)) {
      layer_.problems.push_back(UnknownKey(name, section, origin));
      return;
    }
    if (section && *section != command_) return;
    const OptionSpec* spec = FindOption(name, command_);
    if (spec == nullptr) return;  // another command's
    const std::string seen = (section ? "own " : "") + name;
    if (std::find(seen_.begin(), seen_.end(), seen) != seen_.end()) {
      layer_.problems.push_back(origin + ": " + FileKey(*spec) + " is there twice");
      return;
    }
    seen_.push_back(seen);
    Add(*spec, node, origin);
  }

  void Add(const OptionSpec& spec, const toml::node& node, const std::string& origin) {
    Given given{&spec, {}, origin};
    bool good = true;
    if (const auto* array = node.as_array()) {
      good = IsList(spec.kind);
      for (const toml::node& element : *array) {
        const auto text = TextOf(element);
        good = good && text.has_value();
        given.texts.push_back(text.value_or(""));
      }
    } else {
      const auto text = TextOf(node);
      good = text.has_value();
      given.texts.push_back(text.value_or(""));
    }
    if (!good) {
      layer_.problems.push_back(origin + ": " + FileKey(spec) + " takes " + Expectation(spec));
      return;
    }
    layer_.given.push_back(std::move(given));
  }

  static bool MayStand(const OptionSpec& spec, std::optional<Command> section) {
    return !spec.command_line_only && spec.name != "config" &&
           (!section || TakenBy(spec, *section));
  }

  static bool Known(const std::string& name, std::optional<Command> section) {
    return std::any_of(OptionTable().begin(), OptionTable().end(), [&](const OptionSpec& spec) {
      return spec.name == name && MayStand(spec, section);
    });
  }

  static std::string UnknownKey(const std::string& name, std::optional<Command> section,
                                const std::string& origin) {
    std::vector<std::string> known;
    for (const OptionSpec& spec : OptionTable()) {
      if (MayStand(spec, section)) known.push_back(FileKey(spec));
    }
    std::string key = name;
    std::replace(key.begin(), key.end(), '-', '_');
    const std::string nearest = Nearest(key, known);
    return origin + ": unknown key " + key +
           (section ? " in [" + std::string(CommandName(*section)) + "]" : "") +
           (nearest.empty() ? "" : ": did you mean " + nearest + "?");
  }

  const Command command_;
  const std::string path_;
  std::vector<std::string> seen_;
  Layer layer_;
};

}  // namespace

Layer ReadFile(Command command, const std::string& path) { return Reader(command, path).Read(); }

}  // namespace eider::config
