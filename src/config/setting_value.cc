// From what a person wrote to an option's checked value.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "config/quantity.h"
#include "config/settings.h"

namespace eider::config {
namespace {

namespace fs = std::filesystem;
using Value = std::optional<SettingValue>;

Value InRange(std::optional<int64_t> number, const OptionSpec& spec) {
  if (!number || *number < spec.min || *number > spec.max) return std::nullopt;
  return SettingValue(*number);
}

Value OnOff(const std::string& text) {
  if (text == "on" || text == "true" || text == "1" || text == "yes") return SettingValue(true);
  if (text == "off" || text == "false" || text == "0" || text == "no") return SettingValue(false);
  return std::nullopt;
}

// "scheme://host:port/" without scheme and final slash; none where another scheme is written.
std::optional<std::string> StripScheme(std::string text, const std::vector<std::string>& schemes,
                                       std::string* scheme) {
  const size_t end = text.find("://");
  if (end != std::string::npos) {
    *scheme = text.substr(0, end);
    if (std::find(schemes.begin(), schemes.end(), *scheme) == schemes.end()) return std::nullopt;
    text = text.substr(end + 3);
  }
  if (text.ends_with('/')) text.pop_back();
  return text;
}

Value Url(const std::string& text, const std::vector<std::string>& schemes, std::string scheme,
          bool needs_port) {
  const auto rest = StripScheme(text, schemes, &scheme);
  if (!rest) return std::nullopt;
  const auto address = ParseHostPort(*rest);
  if (!address || (needs_port && address->port == 0)) return std::nullopt;
  return SettingValue(scheme + "://" + *rest);
}

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> parts;
  std::string part;
  for (const char c : text + ",") {
    if (c != ',' && c != ' ' && c != '\n') {
      part += c;
    } else if (!part.empty()) {
      parts.push_back(std::exchange(part, {}));
    }
  }
  return parts;
}

Value Workers(const std::vector<std::string>& texts) {
  std::vector<std::string> workers;
  for (const std::string& text : texts) {
    for (const std::string& part : Split(text)) {
      const Value url = Url(part, {"grpc", "grpc+tcp"}, "grpc", /*needs_port=*/true);
      if (!url) return std::nullopt;
      std::string location = std::get<std::string>(*url);
      if (location.starts_with("grpc+tcp")) location.replace(0, 8, "grpc");
      if (std::find(workers.begin(), workers.end(), location) == workers.end()) {
        workers.push_back(std::move(location));
      }
    }
  }
  return SettingValue(std::move(workers));
}

// With a host and at least the slash after it: a prefix of another host's name is none.
bool IsHttpUrl(const std::string& text) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (text.starts_with(scheme)) return text.find('/', scheme.size() + 1) != std::string::npos;
  }
  return false;
}

// Absolute, but with links as they are: queries will name the path as it is written here.
Value Paths(const std::vector<std::string>& texts) {
  std::vector<std::string> paths;
  std::error_code error;
  for (const std::string& text : texts) {
    const bool whole = fs::exists(text, error);
    for (const std::string& part : whole ? std::vector<std::string>{text} : Split(text)) {
      if (IsHttpUrl(part)) {
        paths.push_back(part);
        continue;
      }
      if (!fs::exists(part, error)) return std::nullopt;
      std::string path = fs::absolute(part, error).lexically_normal().string();
      if (path.size() > 1 && path.ends_with('/')) path.pop_back();
      paths.push_back(std::move(path));
    }
  }
  if (paths.empty()) return std::nullopt;
  return SettingValue(std::move(paths));
}

Value File(const std::string& text) {
  std::error_code error;
  if (!fs::exists(text, error) || fs::is_directory(text, error)) return std::nullopt;
  if (access(text.c_str(), R_OK) != 0) return std::nullopt;
  return SettingValue(text);
}

Value Directory(const std::string& text) {
  std::error_code error;
  if (text.empty() || (fs::exists(text, error) && !fs::is_directory(text, error))) {
    return std::nullopt;
  }
  std::string path = fs::absolute(text, error).lexically_normal().string();
  if (error) return std::nullopt;
  if (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return SettingValue(std::move(path));
}

Value Scalar(const OptionSpec& spec, const std::string& text, const Machine& machine) {
  switch (spec.kind) {
    case Kind::kText:
      return text.empty() ? Value() : SettingValue(text);
    case Kind::kInteger:
      return InRange(ParseInteger(text), spec);
    case Kind::kBytes:
      return InRange(ParseBytes(text), spec);
    case Kind::kMemory:
      return InRange(ParseMemory(text, machine.memory_bytes), spec);
    case Kind::kDuration:
      return InRange(ParseDurationMs(text), spec);
    case Kind::kAge:
      return text == "never" ? SettingValue(int64_t{-1}) : InRange(ParseDurationMs(text), spec);
    case Kind::kDelay:
      if (text == "auto") return SettingValue(kDelayAuto);
      if (text == "off") return SettingValue(kDelayOff);
      return InRange(ParseDurationMs(text), spec);
    case Kind::kFactor:
      return InRange(ParseThousandths(text), spec);
    case Kind::kDollars:
      return InRange(ParseDollars(text), spec);
    case Kind::kSwitch:
    case Kind::kOnOff:
      return OnOff(text);
    case Kind::kChoice:
      return std::count(spec.choices.begin(), spec.choices.end(), text) > 0 ? SettingValue(text)
                                                                            : Value();
    case Kind::kHost:
      return IsIpAddress(text) || text == "localhost" ? SettingValue(text) : Value();
    case Kind::kHostPort: {
      std::string scheme;
      const auto address = StripScheme(text, {"grpc", "grpc+tcp"}, &scheme);
      return address && ParseHostPort(*address) ? SettingValue(*address) : Value();
    }
    case Kind::kEndpoint:
      return Url(text, {"http", "https"}, "https", /*needs_port=*/false);
    case Kind::kHttpUrl:
      return Url(text, {"http", "https"}, "http", /*needs_port=*/false);
    case Kind::kFile:
      return File(text);
    case Kind::kDirectory:
      return Directory(text);
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<SettingValue> ParseSetting(const OptionSpec& spec,
                                         const std::vector<std::string>& texts,
                                         const Machine& machine) {
  switch (spec.kind) {
    case Kind::kWorkers:
      return Workers(texts);
    case Kind::kPaths:
      return Paths(texts);
    case Kind::kTexts:
      return SettingValue(texts);
    default:
      return texts.size() == 1 ? Scalar(spec, texts.front(), machine) : std::nullopt;
  }
}

}  // namespace eider::config
