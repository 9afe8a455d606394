#include "config/quantity.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

#include "config/limits.h"

namespace eider::config {
namespace {

std::string_view Trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

// A decimal number that is not negative, and what follows it.
std::optional<std::pair<double, std::string_view>> SplitNumber(std::string_view text) {
  text = Trim(text);
  size_t end = 0;
  while (end < text.size() && ((text[end] >= '0' && text[end] <= '9') || text[end] == '.')) ++end;
  double number = 0;
  const auto [rest, error] =
      std::from_chars(text.data(), text.data() + end, number, std::chars_format::fixed);
  if (end == 0 || error != std::errc() || rest != text.data() + end) return std::nullopt;
  return std::pair(number, Trim(text.substr(end)));
}

bool SameName(std::string_view left, std::string_view right) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [&](char a, char b) { return lower(a) == lower(b); });
}

struct Unit {
  std::string_view name;
  double factor;
};

template <size_t n>
std::optional<int64_t> Scale(std::string_view text, const std::array<Unit, n>& units) {
  constexpr double kMax = 4611686018427387904.0;  // 2^62
  const auto split = SplitNumber(text);
  if (!split) return std::nullopt;
  for (const Unit& unit : units) {
    if (!SameName(split->second, unit.name)) continue;
    const double scaled = std::round(split->first * unit.factor);
    if (scaled > kMax) return std::nullopt;
    return static_cast<int64_t>(scaled);
  }
  return std::nullopt;
}

}  // namespace

std::optional<int64_t> ParseInteger(std::string_view text) {
  text = Trim(text);
  int64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || rest != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

std::optional<int64_t> ParseBytes(std::string_view text) {
  static constexpr std::array<Unit, 14> kUnits{{{"", 1},
                                                {"B", 1},
                                                {"KB", 1e3},
                                                {"MB", 1e6},
                                                {"GB", 1e9},
                                                {"TB", 1e12},
                                                {"K", 1024},
                                                {"KiB", 1024},
                                                {"M", 1048576},
                                                {"MiB", 1048576},
                                                {"G", 1073741824},
                                                {"GiB", 1073741824},
                                                {"T", 1099511627776},
                                                {"TiB", 1099511627776}}};
  return Scale(text, kUnits);
}

std::optional<int64_t> ParseMemory(std::string_view text, int64_t whole_bytes) {
  const auto split = SplitNumber(text);
  if (!split || split->second != "%") return ParseBytes(text);
  if (split->first <= 0 || split->first > 100) return std::nullopt;
  return static_cast<int64_t>(static_cast<double>(whole_bytes) * split->first / 100);
}

std::optional<int64_t> ParseDurationMs(std::string_view text) {
  static constexpr std::array<Unit, 7> kUnits{{{"", 1e3},
                                               {"ms", 1},
                                               {"s", 1e3},
                                               {"m", 60e3},
                                               {"min", 60e3},
                                               {"h", 3600e3},
                                               {"d", 86400e3}}};
  return Scale(text, kUnits);
}

std::optional<int64_t> ParseDollars(std::string_view text) {
  constexpr double kMaxDollars = 1e6;
  text = Trim(text);
  if (text.starts_with('$')) text.remove_prefix(1);
  const auto split = SplitNumber(text);
  if (!split || !split->second.empty() || split->first > kMaxDollars) return std::nullopt;
  return std::llround(split->first * 1e9);
}

std::optional<int64_t> ParseThousandths(std::string_view text) {
  constexpr double kMax = 1e6;
  const auto split = SplitNumber(Trim(text));
  if (!split || !split->second.empty() || split->first > kMax) return std::nullopt;
  return std::llround(split->first * 1e3);
}

std::optional<HostPort> ParseHostPort(std::string_view text) {
  HostPort result;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    result.host = text.substr(1, close - 1);
    std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') return std::nullopt;
    has_port = !rest.empty();
    port = has_port ? rest.substr(1) : rest;
  } else {
    const size_t colon = text.find(':');
    has_port = colon != std::string_view::npos;
    result.host = text.substr(0, colon);
    if (has_port) port = text.substr(colon + 1);
  }
  if (result.host.empty() || result.host.find_first_of(" /?#@") != std::string::npos) {
    return std::nullopt;
  }
  if (has_port) {
    const auto number = ParseInteger(port);
    if (!number || *number < 1 || *number > kMaxPort) return std::nullopt;
    result.port = static_cast<int>(*number);
  }
  return result;
}

std::string FormatHostPort(const std::string& host, int port) {
  const bool ipv6 = host.find(':') != std::string::npos;
  return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool IsIpAddress(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool IsLoopback(const std::string& host) {
  in_addr address;
  if (inet_pton(AF_INET, host.c_str(), &address) == 1) {
    return (ntohl(address.s_addr) >> 24) == 127;
  }
  return host == "::1" || host == "localhost";
}

std::string FormatBytes(int64_t bytes) {
  static constexpr std::array<const char*, 5> kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof(text), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

}  // namespace eider::config
