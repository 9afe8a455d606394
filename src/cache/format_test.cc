#include "cache/format.h"

#include <gtest/gtest.h>

namespace eider::cache {
namespace {

const BlockIdentity kIdentity = {.url = "s3://bucket/some key?.parquet",
                                 .version = {.size = 5 * kBlockBytes + 20'000,
                                             .etag = "\"abc\"",
                                             .last_modified_ms = 1'700'000'000'123},
                                 .block = 5,
                                 .sequence = 42};

TEST(Format, IdentityComesBack) {
  Record record{};
  EXPECT_FALSE(IsTaken(record));
  const uint64_t hash = EncodeIdentity(kIdentity, record);
  EXPECT_TRUE(IsTaken(record));
  const auto stored = DecodeIdentity(record);
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->identity, kIdentity);
  EXPECT_EQ(stored->hash, hash);
}

TEST(Format, EveryFlippedBitOfAnIdentityIsFound) {
  Record record{};
  EncodeIdentity(kIdentity, record);
  const size_t used = kIdentityHeadBytes + kIdentity.url.size() + kIdentity.version.etag.size();
  for (size_t bit = 0; bit < used * 8; ++bit) {
    record[bit / 8] ^= 1 << bit % 8;
    EXPECT_FALSE(DecodeIdentity(record)) << bit;
    record[bit / 8] ^= 1 << bit % 8;
  }
  EXPECT_TRUE(DecodeIdentity(record));
}

TEST(Format, EveryFlippedBitOfAPagesPartIsFound) {
  const PageTable table = {.valid = 3, .checksums = {11, 22}};
  PagesPart part = EncodePages(table, 7);
  EXPECT_EQ(DecodePages(part, 7, 3), table);
  for (size_t bit = 0; bit < part.size() * 8; ++bit) {
    part[bit / 8] ^= 1 << bit % 8;
    EXPECT_FALSE(DecodePages(part, 7, 3)) << bit;
    part[bit / 8] ^= 1 << bit % 8;
  }
}

TEST(Format, APagesPartBelongsToItsIdentity) {
  const PagesPart part = EncodePages({.valid = 3}, 7);
  EXPECT_FALSE(DecodePages(part, 8, 3)) << "another taking of the slot";
  EXPECT_FALSE(DecodePages(part, 7, 1)) << "a page that the object does not have";
  // The same block at another time is another identity.
  Record record{};
  BlockIdentity later = kIdentity;
  ++later.sequence;
  EXPECT_NE(EncodeIdentity(kIdentity, record), EncodeIdentity(later, record));
}

TEST(Format, AnIdentityThatMakesNoSenseIsNone) {
  Record record{};
  for (BlockIdentity wrong : {kIdentity, kIdentity, kIdentity}) {
    static int which = 0;
    if (which == 0) wrong.block = 6;
    if (which == 1) wrong.block = -1;
    if (which == 2) wrong.version.size = 0;
    EncodeIdentity(wrong, record);
    EXPECT_FALSE(DecodeIdentity(record)) << which;
    ++which;
  }
}

TEST(Format, PagesOfBlocks) {
  EXPECT_EQ(PagesOfBlock(1, 0), 1u);
  EXPECT_EQ(PagesOfBlock(kPageBytes, 0), 1u);
  EXPECT_EQ(PagesOfBlock(kPageBytes + 1, 0), 3u);
  EXPECT_EQ(PagesOfBlock(kBlockBytes, 0), ~uint64_t{0});
  EXPECT_EQ(PagesOfBlock(kBlockBytes, 1), 0u);
  EXPECT_EQ(PagesOfBlock(kIdentity.version.size, 5), 3u);
  EXPECT_EQ(PageLength(kIdentity.version.size, 5, 0), kPageBytes);
  EXPECT_EQ(PageLength(kIdentity.version.size, 5, 1), 20'000 - kPageBytes);
  EXPECT_EQ(PageLength(kIdentity.version.size, 5, 2), 0);
  EXPECT_EQ(PageRange(62, 2), uint64_t{3} << 62);
}

TEST(Format, PagesDifferByPlaceAndSeed) {
  const std::vector<uint8_t> bytes(100, 1);
  EXPECT_NE(PageChecksum(bytes, 1, 0), PageChecksum(bytes, 1, 1));
  EXPECT_NE(PageChecksum(bytes, 1, 0), PageChecksum(bytes, 100, 0));
}

TEST(Format, ResealedGarbageDecodes) {
  Record record;
  record.fill(0x17);
  EXPECT_FALSE(DecodeIdentity(record));
  Reseal(record);
  EXPECT_FALSE(DecodeIdentity(record)) << "its block lies outside of its size";
  Record good{};
  EncodeIdentity(kIdentity, good);
  good[30] ^= 1;  // another size
  EXPECT_FALSE(DecodeIdentity(good));
  Reseal(good);
  EXPECT_TRUE(DecodeIdentity(good));
}

}  // namespace
}  // namespace eider::cache
