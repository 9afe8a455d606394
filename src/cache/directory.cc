#include "cache/directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <vector>

#include "base/error.h"
#include "config/limits.h"

namespace eider::cache {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
constexpr char kFormatName[] = "eider-blocks ";
constexpr int64_t kScanBytes = 256 * kRecordBytes;

bool ReadAll(int fd, std::span<uint8_t> out, int64_t offset) {
  while (!out.empty()) {
    const ssize_t got = pread(fd, out.data(), out.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = ENODATA;
    if (got <= 0) return false;
    out = out.subspan(got);
    offset += got;
  }
  return true;
}

bool WriteAll(int fd, std::span<const uint8_t> bytes, int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t put = pwrite(fd, bytes.data(), bytes.size(), offset);
    if (put < 0 && errno == EINTR) continue;
    if (put == 0) errno = ENOSPC;
    if (put <= 0) return false;
    bytes = bytes.subspan(put);
    offset += put;
  }
  return true;
}

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The version in a FORMAT file; none where it is no such file.
std::optional<int> ParseFormat(const std::string& line) {
  if (!line.starts_with(kFormatName)) return std::nullopt;
  int version = 0;
  const char* begin = line.data() + sizeof(kFormatName) - 1;
  const char* end = line.data() + line.size();
  const auto [ptr, error] = std::from_chars(begin, end, version);
  if (error != std::errc() || ptr != end) return std::nullopt;
  return version;
}

// Written whole or not at all.
bool WriteFormat(const std::string& path) {
  const std::string fresh = path + ".new";
  {
    std::ofstream file(fresh);
    file << kFormatName << kFormatVersion << "\n";
    file.close();
    if (!file) return false;
  }
  return rename(fresh.c_str(), path.c_str()) == 0;
}

}  // namespace

arrow::Status BlockDirectory::Unusable(const std::string& why) const {
  return base::MakeError(ErrorCode::kInvalidQuery, "the cache directory " + path_ + " " + why);
}

arrow::Result<std::unique_ptr<BlockDirectory>> BlockDirectory::Open(const std::string& path,
                                                                    Access access) {
  std::unique_ptr<BlockDirectory> directory(new BlockDirectory(path));
  if (access == Access::kWrite) {
    std::error_code error;
    fs::create_directories(path, error);
    if (error) return directory->Unusable("cannot be made: " + error.message());
    ARROW_RETURN_NOT_OK(directory->Lock());
  }
  ARROW_RETURN_NOT_OK(directory->CheckFormat(access));
  ARROW_RETURN_NOT_OK(directory->OpenFiles(access));
  return directory;
}

BlockDirectory::~BlockDirectory() {
  for (const int fd : {data_fd_, index_fd_, lock_fd_}) {
    if (fd >= 0) close(fd);
  }
}

arrow::Status BlockDirectory::Lock() {
  const std::string path = path_ + "/lock";
  lock_fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_fd_ < 0) return Unusable(std::string("cannot be written: ") + std::strerror(errno));
  if (flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    const std::string owner = FirstLine(path);
    return Unusable("is in use by process " + (owner.empty() ? "(unknown)" : owner));
  }
  // On a full disk the pid may not fit; the lock holds all the same.
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(lock_fd_, 0) == 0) {
    WriteAll(lock_fd_, {reinterpret_cast<const uint8_t*>(pid.data()), pid.size()}, 0);
  }
  return arrow::Status::OK();
}

arrow::Status BlockDirectory::CheckFormat(Access access) {
  const std::string path = path_ + "/FORMAT";
  const std::optional<int> version = ParseFormat(FirstLine(path));
  if (version && *version > kFormatVersion) {
    return Unusable("is of format " + std::to_string(*version) +
                    ", made by a newer eider; this one knows " + std::to_string(kFormatVersion) +
                    ": use the newer one, or remove the directory");
  }
  if (version == kFormatVersion) return arrow::Status::OK();
  if (access == Access::kRead) {
    return Unusable("holds no cache of format " + std::to_string(kFormatVersion));
  }
  clear_ = true;
  return arrow::Status::OK();
}

arrow::Status BlockDirectory::OpenFiles(Access access) {
  const int flags = (access == Access::kWrite ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC;
  index_fd_ = open((path_ + "/index").c_str(), flags, 0600);
  if (index_fd_ >= 0) data_fd_ = open((path_ + "/data").c_str(), flags, 0600);
  if (data_fd_ < 0) return Unusable(std::string("cannot be opened: ") + std::strerror(errno));
  // Cleared before it is called ours.
  if (clear_ && (!Truncate() || !WriteFormat(path_ + "/FORMAT"))) {
    return Unusable(std::string("cannot be written: ") + std::strerror(errno));
  }
  // Far behind what is ever written.
  if (access == Access::kWrite) PunchRange(config::kMaxCacheSlots * kBlockBytes, kBlockBytes);
  return arrow::Status::OK();
}

void BlockDirectory::ForEachRecord(
    const std::function<void(int64_t slot, RecordSpan record)>& visit) const {
  std::vector<uint8_t> chunk(kScanBytes);
  const int64_t end = config::kMaxCacheSlots * kRecordBytes;
  int64_t offset = 0;
  while (offset < end) {
    const int64_t found = lseek(index_fd_, offset, SEEK_DATA);
    if (found < 0 && errno == ENXIO) return;  // no more
    if (found > offset) offset = found / kRecordBytes * kRecordBytes;
    ssize_t got = pread(index_fd_, chunk.data(), chunk.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    const ssize_t records = got / kRecordBytes;
    if (records <= 0) return;
    for (ssize_t i = 0; i < records; ++i) {
      const int64_t slot = offset / kRecordBytes + i;
      if (slot >= config::kMaxCacheSlots) return;
      visit(slot, RecordSpan(chunk.data() + i * kRecordBytes, kRecordBytes));
    }
    offset += records * kRecordBytes;
  }
}

bool BlockDirectory::ReadRecord(int64_t slot, Record& record) const {
  return ReadAll(index_fd_, record, slot * kRecordBytes);
}

bool BlockDirectory::ReadPagesPart(int64_t slot, PagesPart& part) const {
  return ReadAll(index_fd_, part, slot * kRecordBytes + kPagesPartOffset);
}

bool BlockDirectory::ReadData(int64_t slot, int64_t offset, std::span<uint8_t> out) const {
  return ReadAll(data_fd_, out, slot * kBlockBytes + offset);
}

bool BlockDirectory::WriteRecord(int64_t slot, const Record& record) {
  return WriteAll(index_fd_, record, slot * kRecordBytes);
}

bool BlockDirectory::WritePagesPart(int64_t slot, const PagesPart& part) {
  return WriteAll(index_fd_, part, slot * kRecordBytes + kPagesPartOffset);
}

bool BlockDirectory::WriteData(int64_t slot, int64_t offset, std::span<const uint8_t> bytes) {
  return WriteAll(data_fd_, bytes, slot * kBlockBytes + offset);
}

bool BlockDirectory::ClearRecord(int64_t slot) {
  constexpr std::array<uint8_t, 8> kNoMagic{};
  return WriteAll(index_fd_, kNoMagic, slot * kRecordBytes);
}

void BlockDirectory::Punch(int64_t slot, int64_t count) {
  PunchRange(slot * kBlockBytes, count * kBlockBytes);
}

void BlockDirectory::PunchPages(int64_t slot, uint64_t pages) {
  for (int page = 0; page < kPagesPerBlock; ++page) {
    if ((pages >> page & 1) != 0) PunchRange(slot * kBlockBytes + page * kPageBytes, kPageBytes);
  }
}

void BlockDirectory::PunchRange(int64_t offset, int64_t length) {
  if (!can_punch_) return;
  const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  if (fallocate(data_fd_, mode, offset, length) != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
    can_punch_ = false;
  }
}

bool BlockDirectory::Truncate() {
  return ftruncate(index_fd_, 0) == 0 && ftruncate(data_fd_, 0) == 0;
}

DiskSpace BlockDirectory::Space() const {
  struct statvfs info{};
  if (fstatvfs(data_fd_, &info) != 0) return {};
  const auto unit = static_cast<int64_t>(info.f_frsize);
  return {.total_bytes = static_cast<int64_t>(info.f_blocks) * unit,
          .available_bytes = static_cast<int64_t>(info.f_bavail) * unit};
}

arrow::Result<std::string> FindCacheDirectory(const std::string& path) {
  std::error_code error;
  for (const std::string& candidate : {path, path + "/blocks"}) {
    if (fs::exists(candidate + "/FORMAT", error)) return candidate;
  }
  std::string message = "there is no cache in " + path;
  // The workers of `eider up` have theirs in folders of one.
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const std::string nested = entry.path().string();
    if (fs::exists(nested + "/blocks/FORMAT", error))
      return base::MakeError(ErrorCode::kNotFound, message + ": did you mean " + nested + "?");
  }
  return base::MakeError(ErrorCode::kNotFound, message + ": give a worker's --cache-dir");
}

}  // namespace eider::cache
