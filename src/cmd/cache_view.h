// What `eider cache` prints, as text for people and JSON for programs.
#pragma once

#include <string>
#include <vector>

#include "cache/inspection.h"
#include "protocol/value.h"

namespace eider::cmd {

// `width` is a terminal's in columns, 0: any.
std::string ObjectsText(const std::vector<cache::CachedObject>& objects, int width);
protocol::Value ObjectsValue(const std::vector<cache::CachedObject>& objects);

std::string StatsText(const cache::DirectoryStats& stats);
protocol::Value StatsValue(const cache::DirectoryStats& stats);

std::string VerificationText(const cache::Verification& result);
protocol::Value VerificationValue(const cache::Verification& result);

}  // namespace eider::cmd
