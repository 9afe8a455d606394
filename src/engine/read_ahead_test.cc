#include "engine/read_ahead.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "config/limits.h"

namespace eider::engine {

// For the matchers: found by its namespace's cache::Reader::Extent.
using Extent = ParquetLayout::Extent;

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Matcher;

constexpr int64_t kChunkBytes = 100'000;  // more than a gap
constexpr ReadAheadLimits kLimits = {.max_bytes_ahead = 16 * config::kMiB,
                                     .max_row_groups_ahead = 8};
constexpr ReadAheadLimits kNoneAhead = {};

Matcher<Extent> Is(const Extent& wanted) {
  return ::testing::AllOf(::testing::Field(&Extent::offset, wanted.offset),
                          ::testing::Field(&Extent::length, wanted.length));
}

std::shared_ptr<const ParquetLayout> Layout(size_t row_groups, size_t leaves,
                                            int64_t chunk_bytes = kChunkBytes,
                                            uint64_t schema = 1) {
  std::vector<Extent> chunks;
  int64_t offset = 4;
  for (size_t chunk = 0; chunk < row_groups * leaves; ++chunk) {
    chunks.push_back({offset, chunk_bytes});
    offset += chunk_bytes;
  }
  return ParquetLayout::Make(leaves, std::move(chunks), offset, schema);
}

// DuckDB as ReadAhead meets it, and what was fetched from S3, chunk by chunk.
class Scan {
 public:
  explicit Scan(std::shared_ptr<const ParquetLayout> layout, ReadAheadLimits limits = kLimits,
                std::shared_ptr<ColumnUse> use = nullptr)
      : layout_(layout), ahead_(std::move(layout), limits, std::move(use)) {}

  std::vector<Extent> Read(size_t row_group, size_t leaf) { return Read(row_group, leaf, leaf); }

  // Of a row group the chunks from one leaf to another, in one read.
  std::vector<Extent> Read(size_t row_group, size_t first, size_t last) {
    bool all_here = true;
    for (size_t leaf = first; leaf <= last; ++leaf) {
      const size_t chunk = row_group * layout_->leaves() + leaf;
      all_here = all_here && fetched_.contains(chunk);
      if (!fetched_.contains(chunk)) ++fetched_[chunk];
      read_.insert(chunk);
    }
    if (!all_here) ++serial_reads_;
    const Extent from = At(row_group, first);
    const Extent to = At(row_group, last);
    auto extents = ahead_.Observe(from.offset, to.offset + to.length - from.offset);
    for (const Extent& extent : extents) Fetch(extent);
    return extents;
  }

  Extent At(size_t row_group, size_t leaf) const {
    return layout_->chunk(row_group * layout_->leaves() + leaf);
  }

  ReadAhead& ahead() { return ahead_; }
  // Reads that had to wait for a GET of their own.
  int serial_reads() const { return serial_reads_; }
  // Chunks that were fetched and never read.
  int64_t wasted() const {
    return std::ranges::count_if(fetched_,
                                 [&](const auto& entry) { return !read_.contains(entry.first); });
  }
  size_t read() const { return read_.size(); }
  int most_fetched() const {
    int most = 0;
    for (const auto& [chunk, times] : fetched_) most = std::max(most, times);
    return most;
  }

 private:
  void Fetch(const Extent& extent) {
    const auto order = layout_->order();
    int64_t bytes = 0;
    for (size_t place = layout_->FirstEndingAfter(extent.offset); place < order.size(); ++place) {
      if (layout_->chunk(order[place]).offset >= extent.offset + extent.length) break;
      ++fetched_[order[place]];
      bytes += layout_->chunk(order[place]).length;
    }
    EXPECT_EQ(bytes, extent.length);  // whole chunks
  }

  const std::shared_ptr<const ParquetLayout> layout_;
  ReadAhead ahead_;
  std::map<size_t, int> fetched_;
  std::set<size_t> read_;
  int serial_reads_ = 0;
};

TEST(ReadAheadTest, TwoOfSixteenColumns) {
  Scan scan(Layout(49, 16));
  for (size_t row_group = 0; row_group < 49; ++row_group) {
    scan.Read(row_group, 10);
    scan.Read(row_group, 4);
  }
  EXPECT_EQ(scan.most_fetched(), 1);
  EXPECT_EQ(scan.wasted(), 0);
  // Both of the first row group, and the first of the second, which sets off all the others.
  EXPECT_EQ(scan.serial_reads(), 3);
}

TEST(ReadAheadTest, TheRestOfARowGroupGoesOutWithItsFirstRead) {
  Scan scan(Layout(9, 16), kNoneAhead);
  for (const size_t leaf : {2, 6, 7, 12}) EXPECT_THAT(scan.Read(0, leaf), IsEmpty());
  const int64_t both = scan.At(1, 7).offset + kChunkBytes - scan.At(1, 6).offset;
  EXPECT_THAT(scan.Read(1, 2), ElementsAre(Is({scan.At(1, 6).offset, both}), Is(scan.At(1, 12))));
  for (const size_t leaf : {6, 7, 12}) EXPECT_THAT(scan.Read(1, leaf), IsEmpty());
}

TEST(ReadAheadTest, SeveralThreads) {
  Scan scan(Layout(48, 16));
  for (size_t step = 0; step < 48; step += 4) {
    for (const size_t leaf : {9, 5, 1}) {
      for (size_t thread = 0; thread < 4; ++thread) scan.Read(step + thread, leaf);
    }
  }
  EXPECT_EQ(scan.most_fetched(), 1);
  EXPECT_EQ(scan.wasted(), 0);
  EXPECT_LE(scan.serial_reads(), 3 * 4);
}

TEST(ReadAheadTest, AThreadThatIsLateToLearnStillLearns) {
  Scan scan(Layout(2, 16), kNoneAhead);
  scan.Read(0, 1);
  scan.Read(1, 1);
  scan.Read(0, 5);
  scan.Read(0, 9);
  EXPECT_THAT(scan.Read(1, 5), ElementsAre(Is(scan.At(1, 9))));
}

TEST(ReadAheadTest, AllColumnsInOneRead) {
  Scan scan(Layout(49, 16, 10'000));
  for (size_t row_group = 0; row_group < 49; ++row_group) scan.Read(row_group, 0, 15);
  EXPECT_EQ(scan.serial_reads(), 2);
  EXPECT_EQ(scan.most_fetched(), 1);
  EXPECT_EQ(scan.wasted(), 0);
}

TEST(ReadAheadTest, WholeRowGroupsAheadAreOneExtent) {
  Scan scan(Layout(49, 16));
  EXPECT_THAT(scan.Read(0, 0, 15), IsEmpty());
  EXPECT_THAT(scan.Read(1, 0, 15), ElementsAre(Is({scan.At(2, 0).offset, 2 * 16 * kChunkBytes})));
}

TEST(ReadAheadTest, ALimitThatOneRowGroupFills) {
  Scan scan(Layout(49, 16));
  for (const size_t leaf : {3, 8}) EXPECT_THAT(scan.Read(0, leaf), IsEmpty());
  EXPECT_EQ(scan.wasted(), 0);
}

TEST(ReadAheadTest, StaysWithinItsLimits) {
  Scan by_groups(Layout(49, 4), {.max_bytes_ahead = config::kGiB, .max_row_groups_ahead = 3});
  by_groups.Read(0, 1);
  by_groups.Read(1, 1);
  EXPECT_EQ(by_groups.wasted(), 2);  // no more than were touched
  for (size_t row_group = 2; row_group < 46; ++row_group) {
    by_groups.Read(row_group, 1);
    EXPECT_EQ(by_groups.wasted(), 3);  // it moves on, one for one
  }

  Scan by_bytes(Layout(49, 4), {.max_bytes_ahead = 250'000, .max_row_groups_ahead = 40});
  for (size_t row_group = 0; row_group < 10; ++row_group) by_bytes.Read(row_group, 1);
  EXPECT_EQ(by_bytes.wasted(), 2);
}

TEST(ReadAheadTest, ARangeInTheMiddleIsHardlyOverrun) {
  Scan scan(Layout(49, 16));
  for (size_t row_group = 20; row_group < 28; ++row_group) {
    for (const size_t leaf : {3, 8}) scan.Read(row_group, leaf);
  }
  EXPECT_EQ(scan.wasted(), 2 * 2);
  EXPECT_EQ(scan.serial_reads(), 3);
}

TEST(ReadAheadTest, PrunedRowGroupsAreNotFetched) {
  Scan scan(Layout(60, 16));
  for (size_t row_group = 0; row_group < 60; row_group += 5) {
    for (const size_t leaf : {3, 8}) scan.Read(row_group, leaf);
  }
  EXPECT_EQ(scan.wasted(), 0);
  EXPECT_EQ(scan.serial_reads(), 2 + 11);  // no row groups ahead, but their columns in parallel
}

// Every pattern of row groups, of runs and jumps: the header's bound holds.
TEST(ReadAheadTest, WasteStaysBelowItsBound) {
  int64_t most = 0;
  for (uint32_t pattern = 1; pattern < 1U << 11; ++pattern) {
    const ReadAheadLimits limits = {.max_bytes_ahead = config::kGiB, .max_row_groups_ahead = 3};
    Scan scan(Layout(11, 4), limits);
    int64_t touched = 0;
    for (size_t row_group = 0; row_group < 11; ++row_group) {
      if ((pattern >> row_group & 1) == 0) continue;
      ++touched;
      for (const size_t leaf : {0, 3}) scan.Read(row_group, leaf);
    }
    const int64_t earned = (pattern & 1) != 0 ? touched : std::max<int64_t>(1, touched / 4);
    const int64_t ahead = std::min(limits.max_row_groups_ahead, earned);
    const int64_t bound = touched == 1 ? 0 : 2 * (touched / 3 + ahead);
    ASSERT_LE(scan.wasted(), bound) << pattern;
    ASSERT_LE(scan.most_fetched(), 1) << pattern;
    most = std::max(most, scan.wasted());
  }
  EXPECT_GT(most, 0);
}

TEST(ReadAheadTest, AColumnThatAFilterMakesNeedlessIsDropped) {
  Scan scan(Layout(49, 16), kNoneAhead);
  for (size_t row_group = 0; row_group < 49; ++row_group) {
    scan.Read(row_group, 10);
    if (row_group % 7 == 0) scan.Read(row_group, 4);
  }
  // Expected after row group 0 until it was left out in row group 2.
  EXPECT_EQ(scan.wasted(), 2);
}

TEST(ReadAheadTest, ALazyColumnWastesNoMoreThanItIsRead) {
  for (uint32_t pattern = 0; pattern < 1U << 9; ++pattern) {
    Scan scan(Layout(9, 16), kNoneAhead);
    int64_t reads = 0;
    for (size_t row_group = 0; row_group < 9; ++row_group) {
      scan.Read(row_group, 10);
      if ((pattern >> row_group & 1) == 0) continue;
      scan.Read(row_group, 4);
      ++reads;
    }
    ASSERT_LE(scan.wasted(), reads + 1) << pattern;
  }
}

TEST(ReadAheadTest, OutOfOrder) {
  Scan backwards(Layout(20, 16));
  for (size_t row_group = 20; row_group-- > 0;) {
    for (const size_t leaf : {3, 8}) backwards.Read(row_group, leaf);
  }
  EXPECT_EQ(backwards.wasted(), 0);
  EXPECT_EQ(backwards.most_fetched(), 1);
  EXPECT_EQ(backwards.serial_reads(), 2 + 19);

  Scan shuffled(Layout(20, 16));
  for (size_t i = 0; i < 20; ++i) {
    for (const size_t leaf : {3, 8}) shuffled.Read(i * 7 % 20, leaf);
  }
  EXPECT_EQ(shuffled.wasted(), 0);
  EXPECT_EQ(shuffled.most_fetched(), 1);
}

TEST(ReadAheadTest, WhatOneFileTaughtIsKnownInTheNext) {
  ColumnUses uses;
  int serial = 0;
  for (int file = 0; file < 30; ++file) {
    const auto layout = Layout(1, 16);
    Scan scan(layout, kLimits, uses.Of(*layout));
    for (const size_t leaf : {12, 7, 3}) scan.Read(0, leaf);
    EXPECT_EQ(scan.wasted(), 0);
    serial += scan.serial_reads();
  }
  EXPECT_EQ(serial, 3 + 29);
}

TEST(ReadAheadTest, AnotherSchemaIsAnotherFile) {
  ColumnUses uses;
  const auto one = Layout(2, 16, kChunkBytes, 1);
  const auto other = Layout(2, 16, kChunkBytes, 2);
  const auto narrow = Layout(2, 3, kChunkBytes, 1);  // a collision of hashes
  EXPECT_EQ(uses.Of(*one), uses.Of(*one));
  EXPECT_NE(uses.Of(*one), uses.Of(*other));
  EXPECT_EQ(uses.Of(*narrow)->leaves(), 3);
  for (uint64_t schema = 0; schema < 10 * config::kMaxColumnUses; ++schema) {
    EXPECT_NE(uses.Of(*Layout(1, 1, 10, schema)), nullptr);
  }
}

TEST(ReadAheadTest, ReadsThatAreOfNoChunk) {
  // One chunk of 1000 bytes in each of three row groups, with 100 bytes between them.
  const auto layout = ParquetLayout::Make(1, {{4, 1000}, {1104, 1000}, {2204, 1000}}, 3300, 1);
  ReadAhead ahead(layout, kLimits);
  EXPECT_THAT(ahead.Observe(4, 1000), IsEmpty());
  EXPECT_THAT(ahead.Observe(1004, 100), IsEmpty());   // between
  EXPECT_THAT(ahead.Observe(3204, 96), IsEmpty());    // after the last
  EXPECT_THAT(ahead.Observe(1104, 2300), IsEmpty());  // into the footer
  EXPECT_THAT(ahead.Observe(3300, 10), IsEmpty());    // the footer
  EXPECT_THAT(ahead.Observe(1104, 0), IsEmpty());
  EXPECT_THAT(ahead.Observe(-5, 2000), IsEmpty());
  EXPECT_THAT(ahead.Observe(1104, INT64_MAX), IsEmpty());
  EXPECT_THAT(ahead.Observe(INT64_MAX, INT64_MAX), IsEmpty());
  EXPECT_THAT(ahead.Observe(500, 700), IsEmpty());  // a long read that went a little too far
  // Page by page: the first counts, and once.
  EXPECT_THAT(ahead.Observe(1104, 30), ElementsAre(Is({2204, 1000})));
  EXPECT_THAT(ahead.Observe(1134, 300), IsEmpty());
}

TEST(ReadAheadTest, NearChunksAreMergedAndNothingTwice) {
  // Leaves of 100 KB, 10 KB, 100 KB, 20 KB, 100 KB; the first, third and last are read.
  const std::vector<int64_t> lengths = {100'000, 10'000, 100'000, 20'000, 100'000};
  std::vector<Extent> chunks;
  int64_t offset = 4;
  for (int row_group = 0; row_group < 3; ++row_group) {
    for (const int64_t length : lengths) {
      chunks.push_back({offset, length});
      offset += length;
    }
  }
  const auto layout = ParquetLayout::Make(5, std::move(chunks), offset, 1);
  Scan scan(layout, kNoneAhead);
  for (const size_t leaf : {0, 2, 4, 3}) scan.Read(0, leaf);
  EXPECT_THAT(scan.Read(1, 3), ElementsAre(Is({scan.At(1, 0).offset, 210'000}), Is(scan.At(1, 4))));
  EXPECT_THAT(scan.Read(1, 1), IsEmpty());
  // Not over what DuckDB is asking for itself.
  EXPECT_THAT(scan.Read(2, 1), ElementsAre(Is(scan.At(2, 0)), Is({scan.At(2, 2).offset, 220'000})));
}

TEST(ReadAheadTest, EmptyChunksAndEmptyFiles) {
  ReadAhead empty(ParquetLayout::Make(0, {}, 4, 1), kLimits);
  EXPECT_THAT(empty.Observe(0, 4), IsEmpty());
  ReadAhead without_rows(ParquetLayout::Make(3, {}, 4, 1), kLimits);
  EXPECT_THAT(without_rows.Observe(0, 4), IsEmpty());
  const auto layout = ParquetLayout::Make(2, {{4, 10}, {0, 0}, {14, 10}, {24, 10}}, 34, 1);
  ReadAhead with_empty(layout, kLimits);
  EXPECT_THAT(with_empty.Observe(4, 10), IsEmpty());
  EXPECT_THAT(with_empty.Observe(24, 10), ElementsAre(Is({14, 10})));
}

}  // namespace
}  // namespace eider::engine
