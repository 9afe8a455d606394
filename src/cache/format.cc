#include "cache/format.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace eider::cache {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr uint64_t kMagic = 0x314B4C4252444945;  // "EIDRBLK1"
constexpr int64_t kHashedFrom = 16;              // behind magic and hash

// Of the identity part.
struct Head {
  uint64_t magic;
  uint64_t hash;  // of what follows it, names included
  uint64_t sequence;
  int64_t size;
  int64_t last_modified_ms;
  int64_t block;
  uint16_t url_bytes;
  uint16_t etag_bytes;
  uint32_t zero;
};
static_assert(sizeof(Head) == kIdentityHeadBytes);

uint64_t HashIdentity(const uint8_t* record, const Head& head) {
  const int64_t end = kIdentityHeadBytes + head.url_bytes + head.etag_bytes;
  return XXH3_64bits(record + kHashedFrom, end - kHashedFrom);
}

bool NamesFit(const Head& head) {
  return head.url_bytes > 0 && int64_t{head.url_bytes} + head.etag_bytes <= kMaxNameBytes;
}

uint64_t HashPages(const uint8_t* part, uint64_t seed) {
  return XXH3_64bits_withSeed(part, kPagesPartBytes - sizeof(uint64_t), seed);
}

}  // namespace

bool FitsRecord(const std::string& url, const store::Version& version) {
  const auto names = static_cast<int64_t>(url.size() + version.etag.size());
  return !url.empty() && names <= kMaxNameBytes && version.size > 0;
}

uint64_t EncodeIdentity(const BlockIdentity& identity, std::span<uint8_t, kRecordBytes> record) {
  const store::Version& version = identity.version;
  Head head{.magic = kMagic,
            .hash = 0,
            .sequence = identity.sequence,
            .size = version.size,
            .last_modified_ms = version.last_modified_ms,
            .block = identity.block,
            .url_bytes = static_cast<uint16_t>(identity.url.size()),
            .etag_bytes = static_cast<uint16_t>(version.etag.size()),
            .zero = 0};
  std::memset(record.data(), 0, kPagesPartOffset);
  uint8_t* names = record.data() + kIdentityHeadBytes;
  std::memcpy(names, identity.url.data(), identity.url.size());
  if (!version.etag.empty()) {
    std::memcpy(names + identity.url.size(), version.etag.data(), version.etag.size());
  }
  std::memcpy(record.data(), &head, sizeof(head));
  head.hash = HashIdentity(record.data(), head);
  std::memcpy(record.data(), &head, sizeof(head));
  return head.hash;
}

std::optional<StoredIdentity> DecodeIdentity(RecordSpan record) {
  Head head{};
  std::memcpy(&head, record.data(), sizeof(head));
  if (head.magic != kMagic || !NamesFit(head)) return std::nullopt;
  if (HashIdentity(record.data(), head) != head.hash) return std::nullopt;
  const bool exists =
      head.size > 0 && head.block >= 0 && head.block <= (head.size - 1) / kBlockBytes;
  if (!exists || head.sequence > INT64_MAX) return std::nullopt;
  const char* names = reinterpret_cast<const char*>(record.data()) + kIdentityHeadBytes;
  StoredIdentity stored;
  stored.hash = head.hash;
  stored.identity.url.assign(names, head.url_bytes);
  stored.identity.version.etag.assign(names + head.url_bytes, head.etag_bytes);
  stored.identity.version.size = head.size;
  stored.identity.version.last_modified_ms = head.last_modified_ms;
  stored.identity.block = head.block;
  stored.identity.sequence = head.sequence;
  return stored;
}

bool IsTaken(RecordSpan record) {
  uint64_t magic = 0;
  std::memcpy(&magic, record.data(), sizeof(magic));
  return magic != 0;
}

PagesPart EncodePages(const PageTable& table, uint64_t seed) {
  PagesPart part;
  std::memcpy(part.data(), &table.valid, sizeof(uint64_t));
  std::memcpy(part.data() + 8, table.checksums.data(), sizeof(table.checksums));
  const uint64_t hash = HashPages(part.data(), seed);
  std::memcpy(part.data() + part.size() - 8, &hash, sizeof(hash));
  return part;
}

std::optional<PageTable> DecodePages(PagesPartSpan part, uint64_t seed, uint64_t possible) {
  uint64_t hash = 0;
  std::memcpy(&hash, part.data() + part.size() - 8, sizeof(hash));
  if (HashPages(part.data(), seed) != hash) return std::nullopt;
  PageTable table;
  std::memcpy(&table.valid, part.data(), sizeof(uint64_t));
  std::memcpy(table.checksums.data(), part.data() + 8, sizeof(table.checksums));
  if ((table.valid & ~possible) != 0) return std::nullopt;
  return table;
}

PagesPartSpan PagesPartOf(RecordSpan record) {
  return record.subspan<kPagesPartOffset, kPagesPartBytes>();
}

uint64_t PageChecksum(std::span<const uint8_t> bytes, uint64_t seed, int page) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed + static_cast<uint64_t>(page));
}

uint64_t PagesOfBlock(int64_t object_size, int64_t block) {
  const int64_t bytes = object_size - block * kBlockBytes;
  if (bytes <= 0) return 0;
  const int64_t pages = (std::min(bytes, kBlockBytes) + kPageBytes - 1) / kPageBytes;
  return PageRange(0, static_cast<int>(pages));
}

int64_t PageLength(int64_t object_size, int64_t block, int page) {
  const int64_t start = block * kBlockBytes + page * kPageBytes;
  return std::clamp<int64_t>(object_size - start, 0, kPageBytes);
}

uint64_t PageRange(int first, int count) {
  if (count <= 0) return 0;
  const uint64_t bits = count >= kPagesPerBlock ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
  return bits << first;
}

void Reseal(std::span<uint8_t, kRecordBytes> record) {
  Head head{};
  std::memcpy(&head, record.data(), sizeof(head));
  head.magic = kMagic;
  if (!NamesFit(head)) {
    head.url_bytes = static_cast<uint16_t>(1 + head.url_bytes % 1000);
    head.etag_bytes = static_cast<uint16_t>(head.etag_bytes % 1000);
  }
  head.hash = HashIdentity(record.data(), head);
  // The lengths are part of what is hashed.
  std::memcpy(record.data(), &head, sizeof(head));
  head.hash = HashIdentity(record.data(), head);
  std::memcpy(record.data(), &head, sizeof(head));
  uint8_t* part = record.data() + kPagesPartOffset;
  const uint64_t hash = HashPages(part, head.hash);
  std::memcpy(part + kPagesPartBytes - 8, &hash, sizeof(hash));
}

}  // namespace eider::cache
