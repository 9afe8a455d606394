// fuzz_seeds DIR: writes the inputs that the fuzzers start from to DIR/fuzz_record and
// DIR/fuzz_directory.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "cache/format.h"

namespace {

using namespace eider::cache;  // NOLINT(google-build-using-namespace): as in the fuzzers

void WriteFile(const std::filesystem::path& path, const std::vector<uint8_t>& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

// All of a block's pages, each full of 'e'.
Record MakeRecord(const BlockIdentity& identity) {
  Record record{};
  const uint64_t hash = EncodeIdentity(identity, record);
  PageTable table;
  table.valid = PagesOfBlock(identity.version.size, identity.block);
  for (int page = 0; page < kPagesPerBlock; ++page) {
    const std::vector<uint8_t> bytes(PageLength(identity.version.size, identity.block, page), 'e');
    if ((table.valid >> page & 1) != 0) table.checksums[page] = PageChecksum(bytes, hash, page);
  }
  const PagesPart part = EncodePages(table, hash);
  std::copy(part.begin(), part.end(), record.begin() + kPagesPartOffset);
  return record;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: fuzz_seeds DIR\n", stderr);
    return 2;
  }
  const std::filesystem::path directory = argv[1];
  std::vector<uint8_t> index;
  for (uint64_t i = 0; i < 6; ++i) {
    const BlockIdentity identity = {
        .url = "s3://bucket/" + std::string(1 + i * i, 'k') + std::to_string(i % 4),
        .version = {.size = 1 + static_cast<int64_t>(i * 700'001), .etag = "\"e\""},
        .block = static_cast<int64_t>(i / 2),
        .sequence = i + 1};
    const Record record = MakeRecord(identity);
    const std::vector<uint8_t> bytes(record.begin(), record.end());
    WriteFile(directory / "fuzz_record" / std::to_string(i), bytes);
    index.insert(index.end(), bytes.begin(), bytes.end());
  }
  for (uint8_t how = 0; how < 8; ++how) {
    std::vector<uint8_t> input = {how};
    input.insert(input.end(), index.begin(), index.end());
    WriteFile(directory / "fuzz_directory" / std::to_string(how), input);
  }
  return 0;
}
