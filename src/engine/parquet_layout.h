// Where the column chunks of a Parquet file are, by its footer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cache/reader.h"

namespace eider::engine {

// A chunk is the pages of one leaf column (a nested column has several) in one row group.
// Immutable, so thread-safe. 20 bytes for each chunk.
class ParquetLayout {
 public:
  using Extent = cache::Reader::Extent;

  // `chunks` are those of the first row group, leaf by leaf, then of the second, and so on.
  // `data_end` is where the footer begins, and `schema` a hash of the leaves' names and types.
  // nullptr where a chunk lies outside of [4, data_end) or in another, and past kMaxParquetChunks.
  static std::shared_ptr<const ParquetLayout> Make(size_t leaves, std::vector<Extent> chunks,
                                                   int64_t data_end, uint64_t schema);

  size_t leaves() const { return leaves_; }
  size_t row_groups() const { return leaves_ == 0 ? 0 : chunks_.size() / leaves_; }
  int64_t data_end() const { return data_end_; }
  uint64_t schema() const { return schema_; }

  // A chunk by its number: row_group * leaves() + leaf. An empty one has length 0.
  const Extent& chunk(size_t number) const { return chunks_[number]; }

  // The numbers of the chunks that have bytes, in the order of their bytes in the file.
  std::span<const uint32_t> order() const { return order_; }
  // The first place in order() whose chunk ends after `offset`; order().size() where none does.
  size_t FirstEndingAfter(int64_t offset) const;

 private:
  ParquetLayout(size_t leaves, std::vector<Extent> chunks, int64_t data_end, uint64_t schema);
  bool SortAndCheck();

  const size_t leaves_;
  const std::vector<Extent> chunks_;
  const int64_t data_end_;
  const uint64_t schema_;
  std::vector<uint32_t> order_;  // const after Make
};

// The layout by the bytes of a footer (the thrift FileMetaData alone), of a file of `file_bytes`.
// Chunks begin where DuckDB reads them from: at the first of their pages, of whatever kind.
// nullptr, and never an exception, where the bytes are not a footer, it is too large
// (kMaxParquetFooterBytes, kMaxParquetChunks), or chunks are encrypted with keys of their own, lie
// in other files, or are not where chunks can be. Takes a few milliseconds of CPU for each MiB, and
// while it runs several times the footer's bytes.
std::shared_ptr<const ParquetLayout> ParseParquetLayout(std::span<const uint8_t> footer,
                                                        int64_t file_bytes);

// The length of a file's footer by its last bytes (8 at least). nullopt: it is no Parquet file, or
// its footer is encrypted.
std::optional<int64_t> FooterLength(std::span<const uint8_t> tail);

// The part of a file's last bytes that is its footer; nullopt where FooterLength is, or where the
// footer begins before them.
std::optional<std::span<const uint8_t>> FooterIn(std::span<const uint8_t> tail);

}  // namespace eider::engine
