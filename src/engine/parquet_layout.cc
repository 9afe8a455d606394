#include "engine/parquet_layout.h"

#include <parquet/metadata.h>
#include <parquet/schema.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "config/limits.h"

namespace eider::engine {
namespace {

constexpr std::string_view kMagic = "PAR1";
constexpr int64_t kMagicBytes = 4;   // at the file's start too
constexpr size_t kTrailerBytes = 8;  // the footer's length, and the magic

// As DuckDB computes it (ColumnReader::FileOffset).
int64_t FirstPage(const parquet::ColumnChunkMetaData& chunk) {
  int64_t first = chunk.data_page_offset();
  if (chunk.has_dictionary_page()) first = std::min(first, chunk.dictionary_page_offset());
  if (chunk.has_index_page()) first = std::min(first, chunk.index_page_offset());
  return first;
}

uint64_t HashOf(const parquet::SchemaDescriptor& schema) {
  uint64_t hash = 0;
  for (int leaf = 0; leaf < schema.num_columns(); ++leaf) {
    const parquet::ColumnDescriptor* column = schema.Column(leaf);
    const std::string name = column->path()->ToDotString();
    const uint64_t one =
        std::hash<std::string>()(name) + static_cast<uint64_t>(column->physical_type());
    hash = hash * 0x9E3779B97F4A7C15u + one;
  }
  return hash;
}

std::shared_ptr<const ParquetLayout> LayoutOf(const parquet::FileMetaData& metadata,
                                              int64_t data_end) {
  const int leaves = metadata.num_columns();
  const int row_groups = metadata.num_row_groups();
  if (int64_t{leaves} * row_groups > config::kMaxParquetChunks) return nullptr;
  std::vector<ParquetLayout::Extent> chunks;
  chunks.reserve(static_cast<size_t>(leaves) * static_cast<size_t>(row_groups));
  for (int group = 0; group < row_groups; ++group) {
    const auto row_group = metadata.RowGroup(group);
    if (row_group->num_columns() != leaves) return nullptr;
    for (int leaf = 0; leaf < leaves; ++leaf) {
      const auto chunk = row_group->ColumnChunk(leaf);
      if (!chunk->file_path().empty()) return nullptr;
      chunks.push_back({FirstPage(*chunk), chunk->total_compressed_size()});
    }
  }
  return ParquetLayout::Make(static_cast<size_t>(leaves), std::move(chunks), data_end,
                             HashOf(*metadata.schema()));
}

}  // namespace

ParquetLayout::ParquetLayout(size_t leaves, std::vector<Extent> chunks, int64_t data_end,
                             uint64_t schema)
    : leaves_(leaves), chunks_(std::move(chunks)), data_end_(data_end), schema_(schema) {}

std::shared_ptr<const ParquetLayout> ParquetLayout::Make(size_t leaves, std::vector<Extent> chunks,
                                                         int64_t data_end, uint64_t schema) {
  if (chunks.size() > static_cast<size_t>(config::kMaxParquetChunks)) return nullptr;
  if (leaves == 0 ? !chunks.empty() : chunks.size() % leaves != 0) return nullptr;
  std::shared_ptr<ParquetLayout> layout(
      new ParquetLayout(leaves, std::move(chunks), data_end, schema));
  return layout->SortAndCheck() ? layout : nullptr;
}

bool ParquetLayout::SortAndCheck() {
  order_.reserve(chunks_.size());
  for (size_t number = 0; number < chunks_.size(); ++number) {
    const Extent& chunk = chunks_[number];
    if (chunk.length == 0) continue;
    if (chunk.length < 0 || chunk.offset < kMagicBytes || chunk.offset > data_end_) return false;
    if (chunk.length > data_end_ - chunk.offset) return false;
    order_.push_back(static_cast<uint32_t>(number));
  }
  std::ranges::sort(order_, {}, [this](uint32_t number) { return chunks_[number].offset; });
  int64_t end = 0;
  for (const uint32_t number : order_) {
    if (chunks_[number].offset < end) return false;
    end = chunks_[number].offset + chunks_[number].length;
  }
  return true;
}

size_t ParquetLayout::FirstEndingAfter(int64_t offset) const {
  const auto end = [this](uint32_t number) {
    return chunks_[number].offset + chunks_[number].length;
  };
  const auto found = std::ranges::upper_bound(order_, offset, {}, end);
  return static_cast<size_t>(found - order_.begin());
}

std::shared_ptr<const ParquetLayout> ParseParquetLayout(std::span<const uint8_t> footer,
                                                        int64_t file_bytes) {
  const auto footer_bytes = static_cast<int64_t>(footer.size());
  if (footer_bytes == 0 || footer_bytes > config::kMaxParquetFooterBytes) return nullptr;
  const int64_t data_end = file_bytes - footer_bytes - static_cast<int64_t>(kTrailerBytes);
  if (data_end < kMagicBytes) return nullptr;
  try {
    const auto metadata = parquet::FileMetaData::Make(footer.data(), footer_bytes);
    return metadata == nullptr ? nullptr : LayoutOf(*metadata, data_end);
  } catch (const std::exception&) {
    return nullptr;  // DuckDB says what is wrong with it, when it reads it
  }
}

std::optional<int64_t> FooterLength(std::span<const uint8_t> tail) {
  if (tail.size() < kTrailerBytes) return std::nullopt;
  const auto trailer = tail.last(kTrailerBytes);
  if (std::memcmp(trailer.data() + 4, kMagic.data(), kMagic.size()) != 0) return std::nullopt;
  uint32_t length = 0;
  for (int byte = 3; byte >= 0; --byte) length = length << 8 | trailer[static_cast<size_t>(byte)];
  if (length == 0) return std::nullopt;
  return length;
}

std::optional<std::span<const uint8_t>> FooterIn(std::span<const uint8_t> tail) {
  const auto length = FooterLength(tail);
  if (!length || static_cast<size_t>(*length) > tail.size() - kTrailerBytes) return std::nullopt;
  return tail.subspan(tail.size() - kTrailerBytes - static_cast<size_t>(*length),
                      static_cast<size_t>(*length));
}

}  // namespace eider::engine
