#include "engine/read_ahead.h"

#include <algorithm>
#include <utility>

#include "config/limits.h"

namespace eider::engine {

std::vector<size_t> ColumnUse::Expected(const std::vector<bool>& current) const {
  const int64_t others = row_groups_ - 1;
  std::vector<size_t> expected;
  if (others < 1) return expected;
  for (size_t leaf = 0; leaf < reads_.size(); ++leaf) {
    const int64_t reads = reads_[leaf] - (current[leaf] ? 1 : 0);
    if (reads > 0 && 2 * reads >= others) expected.push_back(leaf);
  }
  return expected;
}

std::shared_ptr<ColumnUse> ColumnUses::Of(const ParquetLayout& layout) {
  if (const auto found = by_schema_.find(layout.schema()); found != by_schema_.end()) {
    if (found->second->leaves() == layout.leaves()) return found->second;
  }
  auto use = std::make_shared<ColumnUse>(layout.leaves());
  if (by_schema_.size() < config::kMaxColumnUses) by_schema_.emplace(layout.schema(), use);
  return use;
}

ReadAhead::ReadAhead(std::shared_ptr<const ParquetLayout> layout, ReadAheadLimits limits,
                     std::shared_ptr<ColumnUse> use)
    : layout_(std::move(layout)),
      limits_(limits),
      use_(use ? std::move(use) : std::make_shared<ColumnUse>(layout_->leaves())) {
  const size_t chunks = layout_->leaves() * layout_->row_groups();
  place_of_.resize(chunks);
  read_.resize(chunks);
  known_.resize(chunks);
  touched_.resize(layout_->row_groups());
  const auto order = layout_->order();
  for (size_t place = 0; place < order.size(); ++place) {
    place_of_[order[place]] = static_cast<uint32_t>(place);
  }
}

std::vector<ReadAhead::Extent> ReadAhead::Observe(int64_t offset, int64_t length) {
  std::vector<Extent> extents;
  const std::vector<size_t> newly_read = NewlyRead(offset, length);
  if (newly_read.empty()) return extents;
  for (const size_t chunk : newly_read) Count(chunk);

  std::vector<size_t> places;
  std::vector<size_t> expected;
  size_t row_group = layout_->row_groups();
  for (const size_t chunk : newly_read) {
    if (chunk / layout_->leaves() == row_group) continue;  // looked at before
    row_group = chunk / layout_->leaves();
    expected = Expected(row_group);
    for (const size_t leaf : expected) Take(row_group * layout_->leaves() + leaf, &places);
  }
  AppendMerged(std::move(places), &extents);
  AppendMerged(PlacesAhead(expected), &extents);
  return extents;
}

// A read that ends inside of a chunk it does not begin in is no read of that chunk, but one of
// fixed size that went too far; one that reaches the footer is looking for that.
std::vector<size_t> ReadAhead::NewlyRead(int64_t offset, int64_t length) {
  std::vector<size_t> chunks;
  if (offset < 0 || length <= 0 || length > layout_->data_end() - offset) return chunks;
  const int64_t end = offset + length;
  const auto order = layout_->order();
  for (size_t place = layout_->FirstEndingAfter(offset); place < order.size(); ++place) {
    const size_t chunk = order[place];
    const Extent& bytes = layout_->chunk(chunk);
    if (bytes.offset >= end) break;
    if (bytes.offset > offset && bytes.offset + bytes.length > end) break;
    if (!read_[chunk]) chunks.push_back(chunk);
  }
  return chunks;
}

void ReadAhead::Count(size_t chunk) {
  const size_t row_group = chunk / layout_->leaves();
  if (!touched_[row_group]) {
    first_touched_ = touched_count_ == 0 ? row_group : std::min(first_touched_, row_group);
    last_touched_ = std::max(last_touched_, row_group);
    touched_[row_group] = true;
    ++touched_count_;
    use_->CountRowGroup();
  }
  read_[chunk] = true;
  known_[chunk] = true;
  use_->CountRead(chunk % layout_->leaves());
}

std::vector<size_t> ReadAhead::Expected(size_t row_group) const {
  const auto first = read_.begin() + static_cast<ptrdiff_t>(row_group * layout_->leaves());
  return use_->Expected({first, first + static_cast<ptrdiff_t>(layout_->leaves())});
}

size_t ReadAhead::RowGroupsAhead() const {
  const bool dense =
      touched_count_ >= 2 && 4 * touched_count_ >= 3 * (last_touched_ - first_touched_ + 1);
  if (!dense) return 0;
  // Statistics that let DuckDB skip the file's beginning will let it skip the end too.
  const size_t earned =
      first_touched_ == 0 ? touched_count_ : std::max<size_t>(1, touched_count_ / 4);
  const size_t left = layout_->row_groups() - 1 - last_touched_;
  return std::min({left, earned, static_cast<size_t>(limits_.max_row_groups_ahead)});
}

void ReadAhead::Take(size_t chunk, std::vector<size_t>* places) {
  if (known_[chunk] || layout_->chunk(chunk).length == 0) return;
  known_[chunk] = true;
  places->push_back(place_of_[chunk]);
}

// The limits are of all that is ahead, returned before or now, so that they move on with DuckDB.
std::vector<size_t> ReadAhead::PlacesAhead(const std::vector<size_t>& columns) {
  std::vector<size_t> places;
  if (columns.empty()) return places;
  const size_t row_groups = RowGroupsAhead();
  int64_t bytes = 0;
  for (size_t ahead = 1; ahead <= row_groups; ++ahead) {
    for (const size_t leaf : columns) {
      const size_t chunk = (last_touched_ + ahead) * layout_->leaves() + leaf;
      bytes += layout_->chunk(chunk).length;
      if (bytes > limits_.max_bytes_ahead) return places;
      Take(chunk, &places);
    }
  }
  return places;
}

// Chunks that lie near each other become one extent, as in DuckDB (ReadHeadComparator), unless what
// is between them was read or returned before.
void ReadAhead::AppendMerged(std::vector<size_t> places, std::vector<Extent>* extents) {
  std::ranges::sort(places);
  const auto order = layout_->order();
  for (size_t i = 0; i < places.size(); ++i) {
    const Extent& bytes = layout_->chunk(order[places[i]]);
    if (i > 0) {
      Extent& before = extents->back();
      const auto between = order.subspan(places[i - 1] + 1, places[i] - places[i - 1] - 1);
      const bool near =
          bytes.offset - (before.offset + before.length) <= config::kParquetMergeGapBytes;
      if (near && std::ranges::none_of(between, [&](uint32_t chunk) { return known_[chunk]; })) {
        before.length = bytes.offset + bytes.length - before.offset;
        for (const uint32_t chunk : between) known_[chunk] = true;
        continue;
      }
    }
    extents->push_back(bytes);
  }
}

}  // namespace eider::engine
