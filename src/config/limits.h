// Every bound that Eider sets by itself, by name and with its unit. What a person may change is an
// option (option_table.cc) and takes its default from here.
#pragma once

#include <cstdint>

namespace eider::config {

inline constexpr int64_t kKiB = 1024;
inline constexpr int64_t kMiB = 1024 * kKiB;
inline constexpr int64_t kGiB = 1024 * kMiB;
inline constexpr int64_t kSecondMs = 1000;
inline constexpr int64_t kMinuteMs = 60 * kSecondMs;
inline constexpr int64_t kHourMs = 60 * kMinuteMs;

// Requests.
inline constexpr int64_t kMaxBodyBytes = 8 * kMiB;
inline constexpr int64_t kMaxSqlBytes = 1 * kMiB;
inline constexpr int64_t kDefaultMaxJsonResultBytes = 256 * kMiB;
static_assert(kMaxSqlBytes < kMaxBodyBytes, "a body holds its SQL and more");

// Waiting and running.
inline constexpr int64_t kDefaultTimeoutMs = 1 * kHourMs;
inline constexpr int64_t kMaxTimeoutMs = 7 * 24 * kHourMs;
inline constexpr int64_t kDefaultMaxWaiting = 10'000;
inline constexpr int64_t kMaxMaxWaiting = 10'000'000;
inline constexpr int64_t kStallTimeoutMs = 60 * kSecondMs;
static_assert(kDefaultTimeoutMs <= kMaxTimeoutMs);
static_assert(kStallTimeoutMs < kDefaultTimeoutMs, "a stalled client is found before its deadline");

// Results streamed through the coordinator at one time, each by a thread.
inline constexpr int kMaxRelays = 4'096;
// What a worker said it has finished, and does not arrive meanwhile: its connection is dead.
inline constexpr int64_t kFinishedGraceMs = 10 * kSecondMs;
// Orders to workers (stop, ...) under way at one time, each by a thread.
inline constexpr int kMaxOrders = 64;
inline constexpr int kMaxOrdersPerWorker = 4;
static_assert(kMaxOrdersPerWorker < kMaxOrders, "a frozen worker does not take all of them");

// A worker's capacity. Slots wait for S3 more than they compute.
inline constexpr int kMinDefaultSlots = 8;
inline constexpr int kDefaultSlotsPerCore = 4;
inline constexpr int64_t kMaxSlots = 4096;
inline constexpr int64_t kMaxThreads = 4096;
inline constexpr int64_t kMaxUpWorkers = 64;
inline constexpr int64_t kDefaultMemoryPercent = 60;
inline constexpr int64_t kMinMemoryBytes = 64 * kMiB;
static_assert(kMinDefaultSlots <= kMaxSlots);

// Starting and stopping.
inline constexpr int64_t kAnnounceIntervalMs = 1 * kSecondMs;
inline constexpr int64_t kAnnounceTimeoutMs = 2 * kSecondMs;
inline constexpr int64_t kDefaultDrainTimeoutMs = 30 * kSecondMs;

// Ports.
inline constexpr int kCoordinatorPort = 5000;
inline constexpr int kWorkerPort = 5005;
inline constexpr int kMaxPort = 65'535;

// The command line.
inline constexpr int64_t kDefaultTableRows = 40;
inline constexpr int64_t kMaxTableRows = 100'000;

}  // namespace eider::config
