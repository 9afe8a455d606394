#include "cache/inspection.h"

#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "cache/directory.h"
#include "cache/format.h"

namespace eider::cache {
namespace {

using Access = BlockDirectory::Access;
constexpr size_t kMaxFindings = 100;

// A record that can be trusted.
struct GoodRecord {
  StoredIdentity stored;
  PageTable table;
};

std::optional<GoodRecord> Decode(RecordSpan record) {
  auto stored = DecodeIdentity(record);
  if (!stored) return std::nullopt;
  const uint64_t possible = PagesOfBlock(stored->identity.version.size, stored->identity.block);
  const auto table = DecodePages(PagesPartOf(record), stored->hash, possible);
  if (!table) return std::nullopt;
  return GoodRecord{*std::move(stored), *table};
}

std::string PlaceOf(const BlockIdentity& identity, int page) {
  const int64_t offset = identity.block * kBlockBytes + page * kPageBytes;
  return identity.url + " " + identity.version.etag + " at byte " + std::to_string(offset);
}

uint64_t BadPages(const BlockDirectory& directory, int64_t slot, const GoodRecord& record) {
  std::array<uint8_t, kPageBytes> buffer;
  const BlockIdentity& identity = record.stored.identity;
  uint64_t bad = 0;
  for (int page = 0; page < kPagesPerBlock; ++page) {
    if ((record.table.valid >> page & 1) == 0) continue;
    const int64_t length = PageLength(identity.version.size, identity.block, page);
    const std::span<uint8_t> bytes = std::span(buffer).first(length);
    const bool read = directory.ReadData(slot, page * kPageBytes, bytes);
    const uint64_t wanted = record.table.checksums[page];
    if (!read || PageChecksum(bytes, record.stored.hash, page) != wanted) bad |= PageRange(page, 1);
  }
  return bad;
}

// Looks without the lock, so that a worker can start meanwhile.
class Verifier {
 public:
  explicit Verifier(const BlockDirectory& directory) : directory_(directory) {}

  void Run() {
    directory_.ForEachRecord([this](int64_t slot, RecordSpan record) { Check(slot, record); });
  }
  const std::vector<int64_t>& bad_slots() const { return bad_slots_; }
  Verification& result() { return result_; }

 private:
  void Check(int64_t slot, RecordSpan record) {
    if (!IsTaken(record)) return;
    const auto good = Decode(record);
    const uint64_t bad = good ? BadPages(directory_, slot, *good) : 0;
    // A worker may have given the slot to another block while this one was read.
    if ((!good || bad != 0) && Changed(slot, record)) return;
    if (!good) {
      ++result_.bad_records;
      Find("the record of slot " + std::to_string(slot) + " is corrupt");
    } else {
      ++result_.blocks;
      result_.pages += std::popcount(good->table.valid);
      result_.bad_pages += std::popcount(bad);
      for (uint64_t left = bad; left != 0; left &= left - 1) {
        Find("corrupt: " + PlaceOf(good->stored.identity, std::countr_zero(left)));
      }
    }
    if (!good || bad != 0) bad_slots_.push_back(slot);
  }

  bool Changed(int64_t slot, RecordSpan before) {
    Record now{};
    const bool changed =
        !directory_.ReadRecord(slot, now) || !std::equal(now.begin(), now.end(), before.begin());
    result_.changed_blocks += changed ? 1 : 0;
    return changed;
  }

  void Find(std::string what) {
    if (result_.findings.size() < kMaxFindings) result_.findings.push_back(std::move(what));
  }

  const BlockDirectory& directory_;
  Verification result_;
  std::vector<int64_t> bad_slots_;
};

// Under the lock: looks again, since a worker may have come and gone.
void DropBad(BlockDirectory& directory, int64_t slot) {
  Record record{};
  if (!directory.ReadRecord(slot, record) || !IsTaken(record)) return;
  const auto good = Decode(record);
  const uint64_t bad = good ? BadPages(directory, slot, *good) : 0;
  if (good && bad == 0) return;
  PageTable table = good ? good->table : PageTable{};
  table.valid &= ~bad;
  if (table.valid == 0) {
    directory.ClearRecord(slot);
    directory.Punch(slot, 1);
    return;
  }
  directory.WritePagesPart(slot, EncodePages(table, good->stored.hash));
  directory.PunchPages(slot, bad);
}

int64_t DiskBytes(const std::string& path) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0 ? int64_t{info.st_blocks} * 512 : 0;
}

// Also looks whether it is of this format, before an opening for writing would clear it.
arrow::Result<std::unique_ptr<BlockDirectory>> OpenToRead(const std::string& dir) {
  return BlockDirectory::Open(dir, Access::kRead);
}

}  // namespace

arrow::Result<std::vector<CachedObject>> ListObjects(const std::string& dir) {
  ARROW_ASSIGN_OR_RAISE(const auto directory, OpenToRead(dir));
  using Key = std::tuple<std::string, std::string, int64_t, int64_t>;
  struct Seen {
    CachedObject object;
    uint64_t first_sequence = 0;
  };
  std::map<Key, Seen> versions;
  directory->ForEachRecord([&](int64_t, RecordSpan record) {
    const auto good = Decode(record);
    if (!good || good->table.valid == 0) return;
    const BlockIdentity& identity = good->stored.identity;
    const store::Version& version = identity.version;
    const Key key = {identity.url, version.etag, version.size, version.last_modified_ms};
    const auto [it, fresh] = versions.try_emplace(key);
    auto& [object, first] = it->second;
    first = fresh ? identity.sequence : std::min(first, identity.sequence);
    object.url = identity.url;
    object.version = version;
    ++object.blocks;
    object.pages += std::popcount(good->table.valid);
    for (uint64_t left = good->table.valid; left != 0; left &= left - 1) {
      object.bytes += PageLength(version.size, identity.block, std::countr_zero(left));
    }
  });
  std::vector<Seen> ordered;
  for (auto& [key, seen] : versions) ordered.push_back(std::move(seen));
  std::sort(ordered.begin(), ordered.end(), [](const Seen& a, const Seen& b) {
    return std::tie(a.object.url, a.first_sequence) < std::tie(b.object.url, b.first_sequence);
  });
  std::vector<CachedObject> objects;
  for (Seen& seen : ordered) objects.push_back(std::move(seen.object));
  return objects;
}

arrow::Result<DirectoryStats> ReadStats(const std::string& dir) {
  ARROW_ASSIGN_OR_RAISE(const auto objects, ListObjects(dir));
  ARROW_ASSIGN_OR_RAISE(const auto directory, OpenToRead(dir));
  DirectoryStats stats;
  std::set<std::string> urls;
  for (const CachedObject& object : objects) {
    urls.insert(object.url);
    stats.blocks += object.blocks;
    stats.pages += object.pages;
  }
  stats.urls = static_cast<int64_t>(urls.size());
  stats.versions = static_cast<int64_t>(objects.size());
  stats.used_bytes = stats.pages * kPageBytes;
  stats.disk_bytes = DiskBytes(dir + "/data") + DiskBytes(dir + "/index");
  stats.available_bytes = directory->Space().available_bytes;
  return stats;
}

arrow::Result<Verification> VerifyDirectory(const std::string& dir) {
  ARROW_ASSIGN_OR_RAISE(const auto directory, OpenToRead(dir));
  Verifier verifier(*directory);
  verifier.Run();
  Verification& result = verifier.result();
  if (result.good()) return std::move(result);
  const auto locked = BlockDirectory::Open(dir, Access::kWrite);
  result.dropped = locked.ok();
  if (!locked.ok()) result.not_dropped_why = locked.status().message();
  for (const int64_t slot : verifier.bad_slots()) {
    if (locked.ok()) DropBad(**locked, slot);
  }
  return std::move(result);
}

arrow::Result<int64_t> ClearDirectory(const std::string& dir) {
  ARROW_ASSIGN_OR_RAISE(const auto to_read, OpenToRead(dir));
  ARROW_ASSIGN_OR_RAISE(const auto directory, BlockDirectory::Open(dir, Access::kWrite));
  int64_t blocks = 0;
  directory->ForEachRecord([&](int64_t, RecordSpan record) { blocks += Decode(record) ? 1 : 0; });
  if (!directory->Truncate()) return directory->Unusable("cannot be written");
  return blocks;
}

}  // namespace eider::cache
