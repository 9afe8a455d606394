// Every bound that Eider sets by itself, by name and with its unit. What a person may change is an
// option (option_table.cc) and takes its default from here.
#pragma once

#include <cstddef>
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

// A worker's capacity. Slots wait for S3 more than they compute.
inline constexpr int kMinDefaultSlots = 8;
inline constexpr int kDefaultSlotsPerCore = 4;
inline constexpr int64_t kMaxSlots = 4096;
inline constexpr int64_t kMaxThreads = 4096;
inline constexpr int64_t kMaxUpWorkers = 64;
inline constexpr int64_t kDefaultMemoryPercent = 60;
inline constexpr int64_t kMinMemoryBytes = 64 * kMiB;
static_assert(kMinDefaultSlots <= kMaxSlots);

// Reading S3 below DuckDB. A file that is read from front to back is fetched ahead of its reader, in
// steps that double.
inline constexpr int64_t kMinReadAheadBytes = 1 * kMiB;
inline constexpr int64_t kMaxReadAheadBytes = 16 * kMiB;
// Of a Parquet file the chunks of the columns that a query reads are fetched ahead of it: all those
// of a row group at once, and those of the next row groups within the bytes above.
inline constexpr int64_t kMaxParquetFooterBytes = 4 * kMiB;  // of larger ones nothing is known
inline constexpr int64_t kMaxParquetChunks = 1'000'000;
inline constexpr int64_t kMaxRowGroupsAhead = 8;
inline constexpr int64_t kParquetMergeGapBytes = 16 * kKiB;  // inside one GET, as in DuckDB
inline constexpr size_t kMaxColumnUses = 64;                 // schemas of Parquet files in a query
// Secrets that their provider can renew are asked anew this often, before what they hold expires.
inline constexpr int64_t kSecretRenewalMs = 10 * kMinuteMs;
inline constexpr int64_t kMinSecretRenewalMs = 1 * kSecondMs;
static_assert(kMinReadAheadBytes <= kMaxReadAheadBytes);

// After a write: the other workers forget what they have cached of what it wrote.
inline constexpr int kMaxInvalidatedUrls = 1'000;  // of one write; more are named by their folders
inline constexpr int kInvalidateTries = 3;         // for each worker, while it is up
inline constexpr int64_t kInvalidateWaitMs = 10 * kSecondMs;  // the write's answer waits so long
inline constexpr int64_t kMaxOwedUrls = 10'000;  // for a worker that is away; then their folders

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
