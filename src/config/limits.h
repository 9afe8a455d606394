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

// A worker's threads that are stuck in a write to a client which does not read, after that client
// has lost query and slot: past so many, new tickets are refused.
inline constexpr int kMaxBlockedStreams = 256;
inline constexpr int64_t kBlockedAfterMs = 1 * kSecondMs;  // shorter ones are on their way out
// When the client's connection is ended, so that the thread comes back.
inline constexpr int64_t kBlockedGraceMs = 5 * kSecondMs;
static_assert(kBlockedAfterMs < kBlockedGraceMs, "what is ended was counted before");

// Results streamed through the coordinator at one time, each by a thread.
inline constexpr int kMaxRelays = 4'096;
// What a worker said it has finished, and does not arrive meanwhile: its connection is dead.
inline constexpr int64_t kFinishedGraceMs = 10 * kSecondMs;
// How long an answer whose headers (or trailers) tell what it cost waits for its worker's report.
inline constexpr int64_t kFiguresWaitMs = 100;
// Orders to workers (stop, ...) under way at one time, each by a thread.
inline constexpr int kMaxOrders = 64;
inline constexpr int kMaxOrdersPerWorker = 4;
static_assert(kMaxOrdersPerWorker < kMaxOrders, "a frozen worker does not take all of them");

// A worker's capacity. Slots wait for S3 more than they compute.
// Where slots are taken and no task has ended for this long, storage is asked whether it is there.
inline constexpr int64_t kStorageDoubtMs = 5 * kSecondMs;
inline constexpr int kMinDefaultSlots = 8;
inline constexpr int kDefaultSlotsPerCore = 4;
inline constexpr int64_t kMaxSlots = 4096;
inline constexpr int64_t kMaxThreads = 4096;
inline constexpr int64_t kMaxUpWorkers = 64;
inline constexpr int64_t kDefaultMemoryPercent = 60;
inline constexpr int64_t kMinMemoryBytes = 64 * kMiB;
static_assert(kMinDefaultSlots <= kMaxSlots);

// Reads through the cache.
inline constexpr int64_t kMaxFetchBytes = 8 * kMiB;      // of one GET
inline constexpr int64_t kMaxPrefetchBytes = 64 * kMiB;  // under way ahead of its readers
inline constexpr int64_t kQueryMemoryBytes = 64 * kMiB;  // of a query, where the disk keeps nothing
inline constexpr int64_t kMaxUnwrittenBytes = 64 * kMiB;    // fetched, and not yet on the disk
inline constexpr int64_t kOpeningBytes = 1 * kMiB;          // of the first GET of an object
inline constexpr int64_t kLargeOpeningBytes = 64 * kKiB;    // the same of one known to be larger
inline constexpr size_t kMaxMetadataEntries = 200'000;      // objects whose version is remembered
inline constexpr size_t kMaxListedKeys = 5'000'000;         // of one glob
inline constexpr size_t kMaxGlobLists = 8;                  // of one glob at a time
inline constexpr size_t kMaxCachedListEntries = 1'000'000;  // keys of all remembered lists
inline constexpr int64_t kMaxListAgeMs = 10 * kSecondMs;    // where objects are never asked about
inline constexpr int kMaxFetchRounds = 8;                   // of one read, until it has every page
static_assert(kLargeOpeningBytes <= kOpeningBytes && kOpeningBytes <= kMaxFetchBytes);
static_assert(kMaxFetchBytes <= kMaxPrefetchBytes);

// Reading S3 below DuckDB. A file that is read from front to back is fetched ahead of its reader,
// in steps that double.
inline constexpr int64_t kMinReadAheadBytes = 1 * kMiB;
inline constexpr int64_t kMaxReadAheadBytes = 16 * kMiB;
// Of a Parquet file the chunks of the columns that a query reads are fetched ahead of it: all those
// of a row group at once, and those of the next row groups within the bytes above.
inline constexpr int64_t kMaxParquetFooterBytes = 4 * kMiB;  // of larger ones nothing is known
inline constexpr int64_t kMaxParquetChunks = 1'000'000;
inline constexpr size_t kMaxParquetLayouts = 256;  // files whose chunks are remembered
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

// Reading S3: connections and what is waited for.
inline constexpr int kMaxS3Connections = 256;
inline constexpr int kMaxS3HostConnections = 128;
inline constexpr int64_t kS3ConnectTimeoutMs = 3 * kSecondMs;
inline constexpr int64_t kS3FirstByteTimeoutMs = 10 * kSecondMs;
inline constexpr int64_t kS3ListFirstByteTimeoutMs = 30 * kSecondMs;
inline constexpr int64_t kS3StallMs = 5 * kSecondMs;  // a body slower than this over that long
inline constexpr int64_t kS3MinBytesPerSecond = 1 * kKiB;
inline constexpr int64_t kS3ConnectionAgeSeconds = 60;  // idle for longer: not used again
inline constexpr int64_t kMaxS3HeaderBytes = 64 * kKiB;
inline constexpr int64_t kMaxS3ErrorBytes = 64 * kKiB;
inline constexpr int64_t kMaxS3ListBytes = 16 * kMiB;   // 1,000 keys of 1 KiB, percent-encoded
inline constexpr int64_t kMaxS3WholeBytes = 64 * kMiB;  // of a server that knows no ranges
inline constexpr int64_t kMaxS3KeysPerPage = 1'000;
inline constexpr size_t kMaxBucketRegions = 1'000;  // buckets known to be elsewhere than configured
static_assert(kMaxS3HostConnections <= kMaxS3Connections);

// Retries of S3: full jitter up to base * 2^n, and tokens that requests earn and retries spend.
inline constexpr int kMaxS3Tries = 8;
inline constexpr int64_t kRetryBaseMs = 50;
inline constexpr int64_t kRetryCapMs = 5 * kSecondMs;
inline constexpr int64_t kMaxRetryAfterMs = 30 * kSecondMs;
inline constexpr double kRetriesPerRequest = 0.2;
inline constexpr double kRetriesPerSecond = 10;
inline constexpr double kRetryBurst = 100;
static_assert(kRetryBaseMs <= kRetryCapMs);

// Hedges: a GET whose first byte is late gets one twin.
inline constexpr double kHedgesPerRequest = 0.05;
inline constexpr double kHedgeBurst = 10;
inline constexpr int64_t kHedgeFloorMs = 50;
inline constexpr int kHedgeMedians = 3;  // never before that many medians
inline constexpr int kHedgeWindow = 256;
inline constexpr int kHedgeMinSamples = 20;
static_assert(kHedgeMinSamples <= kHedgeWindow);

// Shared configuration files of AWS.
inline constexpr int64_t kSharedConfigCheckMs = 1 * kSecondMs;
inline constexpr int64_t kMaxSharedConfigBytes = 1 * kMiB;

// The block cache on disk. A slot holds a block; there are more slots than full blocks fit into the
// budget, so that many small objects do not use them up before the bytes.
inline constexpr int64_t kCacheSlotsPerBlock = 4;
inline constexpr int64_t kMinCacheSlots = 64;
inline constexpr int64_t kMaxCacheSlots = 16 * 1024 * 1024;
inline constexpr int64_t kCacheSpaceCheckMs = 1 * kSecondMs;  // the file system's free space
inline constexpr int64_t kCacheSpaceCheckBytes = 64 * kMiB;
inline constexpr int64_t kCacheWriteRetryMs = 30 * kSecondMs;  // after a write that failed
inline constexpr int64_t kCacheFullRetryMs = 5 * kSecondMs;    // while others fill the disk
inline constexpr int kMaxBusyVictims = 32;  // blocks in use that are passed over to make room
static_assert(kMinCacheSlots <= kMaxCacheSlots);

// Ports.
inline constexpr int kCoordinatorPort = 5000;
inline constexpr int kWorkerPort = 5005;
inline constexpr int kMaxPort = 65'535;

// The command line.
inline constexpr int64_t kDefaultTableRows = 40;
inline constexpr int64_t kMaxTableRows = 100'000;

}  // namespace eider::config
