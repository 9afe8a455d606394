// For option_table*.cc alone: which commands take an option, and the groups of the table that have
// a file of their own.
#pragma once

#include <cstdint>
#include <vector>

#include "config/limits.h"
#include "config/option_table.h"

namespace eider::config {

inline constexpr unsigned kUp = static_cast<unsigned>(Command::kUp);
inline constexpr unsigned kCoordinator = static_cast<unsigned>(Command::kCoordinator);
inline constexpr unsigned kWorker = static_cast<unsigned>(Command::kWorker);
inline constexpr unsigned kQuery = static_cast<unsigned>(Command::kQuery);
inline constexpr unsigned kStatus = static_cast<unsigned>(Command::kStatus);
inline constexpr unsigned kCache = static_cast<unsigned>(Command::kCache);
inline constexpr unsigned kExplain = static_cast<unsigned>(Command::kExplain);
inline constexpr unsigned kServers = kUp | kCoordinator | kWorker;
inline constexpr unsigned kFronts = kUp | kCoordinator;  // they answer clients
inline constexpr unsigned kRunners = kUp | kWorker;      // they run queries
inline constexpr unsigned kClients = kQuery | kExplain | kStatus;

// Bounds of what a person may choose.
inline constexpr int64_t kMaxReplicas = 64;
inline constexpr int64_t kMinLoadFactorThousandths = 1'000;
inline constexpr int64_t kMaxLoadFactorThousandths = 1'000'000;
inline constexpr int64_t kMaxStealAfterMs = 5 * kMinuteMs;

// What `eider query`, `explain`, `status` and `cache` take.
void AddClientOptions(std::vector<OptionSpec>& table);

}  // namespace eider::config
