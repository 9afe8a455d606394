// The cache directory's file format: bytes in, values out. Pure: no I/O, no state.
//
//   FORMAT   "eider-blocks 1": the version below
//   lock     flock'ed by the process that writes; its pid inside
//   data     slots of 1 MiB, sparse: slot s holds one block, byte i of it at s * 1 MiB + i
//   index    records of 4 KiB, sparse: record s says what slot s holds
//
// A record has two parts, little-endian:
//   identity  which block of which version of which object, and its own hash. Written once, when
//   the
//             slot is taken.
//   pages     a bitmap of the pages that are here, their checksums, and a checksum of the part.
//             Written after the pages' bytes, so that it never claims more than there is.
// The hash of the identity seeds the other checksums, and a sequence number that no other taking of
// a slot has is in it: a pages part or a page left behind by a slot's earlier content never
// validates. A record that was torn by a crash does not validate either; a slot without a valid
// record is free. Nothing is ever synced: after a power failure the checksums tell what arrived.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "cache/block_cache.h"
#include "store/object_store.h"

namespace eider::cache {

inline constexpr int kFormatVersion = 1;
inline constexpr int64_t kRecordBytes = 4096;
inline constexpr int64_t kPagesPartOffset = 3072;  // in the record
inline constexpr int64_t kPagesPartBytes = 8 + 8 * kPagesPerBlock + 8;
inline constexpr int64_t kIdentityHeadBytes = 56;
// Of URL and ETag together; what is longer is not cached.
inline constexpr int64_t kMaxNameBytes = kPagesPartOffset - kIdentityHeadBytes;
static_assert(kPagesPartOffset + kPagesPartBytes <= kRecordBytes);

using Record = std::array<uint8_t, kRecordBytes>;
using RecordSpan = std::span<const uint8_t, kRecordBytes>;
using PagesPart = std::array<uint8_t, kPagesPartBytes>;
using PagesPartSpan = std::span<const uint8_t, kPagesPartBytes>;

struct BlockIdentity {
  std::string url;
  store::Version version;
  int64_t block = 0;      // index in the object
  uint64_t sequence = 0;  // of the taking of the slot; greater is later
  bool operator==(const BlockIdentity&) const = default;
};

struct PageTable {
  uint64_t valid = 0;                                // bit i: page i is here
  std::array<uint64_t, kPagesPerBlock> checksums{};  // of those; the others' are 0
  bool operator==(const PageTable&) const = default;
};

// Whether a record holds the names of this object.
bool FitsRecord(const std::string& url, const store::Version& version);

// Writes the identity part into `record` and returns its hash. REQUIRES: FitsRecord, a block that
// the object has.
uint64_t EncodeIdentity(const BlockIdentity& identity, std::span<uint8_t, kRecordBytes> record);
struct StoredIdentity {
  BlockIdentity identity;
  uint64_t hash = 0;
};
// None where the part is torn, of another format, or makes no sense.
std::optional<StoredIdentity> DecodeIdentity(RecordSpan record);
// Whether somebody wrote a record here and nobody cleared it: with DecodeIdentity giving none, it
// is torn or corrupt.
bool IsTaken(RecordSpan record);

// The pages part of the block whose identity has the hash `seed`.
PagesPart EncodePages(const PageTable& table, uint64_t seed);
// None where the part is torn, stale, or claims pages outside `possible` (PagesOfBlock).
std::optional<PageTable> DecodePages(PagesPartSpan part, uint64_t seed, uint64_t possible);
PagesPartSpan PagesPartOf(RecordSpan record);

// `bytes` is what the object has of the page.
uint64_t PageChecksum(std::span<const uint8_t> bytes, uint64_t seed, int page);

// The pages that a block of an object of this size has.
uint64_t PagesOfBlock(int64_t object_size, int64_t block);
// How many bytes of a page the object has.
int64_t PageLength(int64_t object_size, int64_t block, int page);
// Bits [first, first + count).
uint64_t PageRange(int first, int count);

// Makes the checksums of a record fit what it says, whatever that is: for fuzzing behind them.
void Reseal(std::span<uint8_t, kRecordBytes> record);

}  // namespace eider::cache
