// The written forms of sizes, times and addresses.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace eider::config {

// A whole number in decimal digits, with a sign or without.
std::optional<int64_t> ParseInteger(std::string_view text);

// "4GiB", "512 MB", "1.5G", "1048576": KB, MB, GB, TB are powers of 1000, KiB ... TiB and the
// single letters K ... T powers of 1024. None when it is of another form, negative or past 2^62.
std::optional<int64_t> ParseBytes(std::string_view text);

// The same, or "80%" of `whole_bytes`, above 0% and up to 100%.
std::optional<int64_t> ParseMemory(std::string_view text, int64_t whole_bytes);

// "500ms", "30s", "5m", "1h", "2d", "1.5h"; a bare number is in seconds. In milliseconds.
std::optional<int64_t> ParseDurationMs(std::string_view text);

// "0.0004" or "$5", up to 10^6 dollars; in billionths of a dollar.
std::optional<int64_t> ParseDollars(std::string_view text);

// "1.25", up to 10^6; in thousandths.
std::optional<int64_t> ParseThousandths(std::string_view text);

struct HostPort {
  std::string host;  // without the brackets of an IPv6 address
  int port = 0;      // 0 where none was written
};
// "host", "host:port", "[::1]:port"; none for an empty host or a port outside 1 to 65535.
std::optional<HostPort> ParseHostPort(std::string_view text);
// Back, with brackets where they are needed.
std::string FormatHostPort(const std::string& host, int port);

bool IsIpAddress(const std::string& host);
// An address of 127.0.0.0/8, ::1, or the name localhost.
bool IsLoopback(const std::string& host);

// "4.0 GiB", "512 B".
std::string FormatBytes(int64_t bytes);

}  // namespace eider::config
