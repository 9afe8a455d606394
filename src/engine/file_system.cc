#include "engine/file_system.h"

#include <utility>

#include "duckdb/common/file_opener.hpp"
#include "engine/paths.h"
#include "engine/query_state.h"

namespace eider::engine {
namespace {

using duckdb::FileHandle;
using duckdb::idx_t;

// httpfs's handle, and whom its reads count for.
class Handle final : public FileHandle {
 public:
  Handle(S3FileSystem& file_system, duckdb::unique_ptr<FileHandle> httpfs,
         duckdb::shared_ptr<QueryState> state)
      : FileHandle(file_system, httpfs->path, httpfs->flags),
        httpfs_(std::move(httpfs)),
        state_(std::move(state)) {}

  void Close() override { httpfs_->Close(); }
  idx_t GetProgress() override { return httpfs_->GetProgress(); }
  duckdb::FileCompressionType GetFileCompressionType() override {
    return httpfs_->GetFileCompressionType();
  }

  FileHandle& httpfs() { return *httpfs_; }
  bool use_cache() const { return !state_ || state_->use_cache(); }
  void CountRead(int64_t bytes) {
    if (!state_) return;
    state_->counters().reads.fetch_add(1, std::memory_order_relaxed);
    state_->counters().bytes.fetch_add(bytes, std::memory_order_relaxed);
  }

 private:
  const duckdb::unique_ptr<FileHandle> httpfs_;
  const duckdb::shared_ptr<QueryState> state_;  // nullptr: no query's
};

FileHandle& Inner(FileHandle& handle) { return handle.Cast<Handle>().httpfs(); }

}  // namespace

void S3FileSystem::Read(FileHandle& handle, void* buffer, int64_t bytes, idx_t at) {
  httpfs_->Read(Inner(handle), buffer, bytes, at);
  handle.Cast<Handle>().CountRead(bytes);
}

int64_t S3FileSystem::Read(FileHandle& handle, void* buffer, int64_t bytes) {
  const int64_t got = httpfs_->Read(Inner(handle), buffer, bytes);
  handle.Cast<Handle>().CountRead(got);
  return got;
}

void S3FileSystem::Write(FileHandle& handle, void* buffer, int64_t bytes, idx_t at) {
  httpfs_->Write(Inner(handle), buffer, bytes, at);
}

int64_t S3FileSystem::Write(FileHandle& handle, void* buffer, int64_t bytes) {
  return httpfs_->Write(Inner(handle), buffer, bytes);
}

bool S3FileSystem::Trim(FileHandle& handle, idx_t offset, idx_t bytes) {
  return httpfs_->Trim(Inner(handle), offset, bytes);
}

void S3FileSystem::Truncate(FileHandle& handle, int64_t size) {
  httpfs_->Truncate(Inner(handle), size);
}

void S3FileSystem::FileSync(FileHandle& handle) { httpfs_->FileSync(Inner(handle)); }

int64_t S3FileSystem::GetFileSize(FileHandle& handle) {
  return httpfs_->GetFileSize(Inner(handle));
}

// DuckDB caches nothing of a file that has neither a version nor a time: the one way to keep a
// single query off the external file cache, which is a setting of the instance.
duckdb::timestamp_t S3FileSystem::GetLastModifiedTime(FileHandle& handle) {
  if (!handle.Cast<Handle>().use_cache()) return duckdb::timestamp_t(0);
  return httpfs_->GetLastModifiedTime(Inner(handle));
}

std::string S3FileSystem::GetVersionTag(FileHandle& handle) {
  if (!handle.Cast<Handle>().use_cache()) return "";
  return httpfs_->GetVersionTag(Inner(handle));
}

duckdb::FileType S3FileSystem::GetFileType(FileHandle& handle) {
  return httpfs_->GetFileType(Inner(handle));
}

duckdb::FileMetadata S3FileSystem::Stats(FileHandle& handle) {
  return httpfs_->Stats(Inner(handle));
}

void S3FileSystem::Seek(FileHandle& handle, idx_t at) { httpfs_->Seek(Inner(handle), at); }
void S3FileSystem::Reset(FileHandle& handle) { httpfs_->Reset(Inner(handle)); }

idx_t S3FileSystem::SeekPosition(FileHandle& handle) {
  return httpfs_->SeekPosition(Inner(handle));
}

bool S3FileSystem::OnDiskFile(FileHandle& handle) { return httpfs_->OnDiskFile(Inner(handle)); }

bool S3FileSystem::FileExists(const std::string& path, Opener opener) {
  RefuseS3Parameters(path);
  return httpfs_->FileExists(path, opener);
}

bool S3FileSystem::IsPipe(const std::string& path, Opener opener) {
  return httpfs_->IsPipe(path, opener);
}

void S3FileSystem::RemoveFile(const std::string& path, Opener opener) {
  RefuseS3Parameters(path);
  httpfs_->RemoveFile(path, opener);
}

bool S3FileSystem::TryRemoveFile(const std::string& path, Opener opener) {
  RefuseS3Parameters(path);
  return httpfs_->TryRemoveFile(path, opener);
}

void S3FileSystem::RemoveFiles(const duckdb::vector<duckdb::string>& paths, Opener opener) {
  for (const std::string& path : paths) RefuseS3Parameters(path);
  httpfs_->RemoveFiles(paths, opener);
}

void S3FileSystem::MoveFile(const std::string& from, const std::string& to, Opener opener) {
  RefuseS3Parameters(from);
  RefuseS3Parameters(to);
  httpfs_->MoveFile(from, to, opener);
}

bool S3FileSystem::DirectoryExists(const std::string& path, Opener opener) {
  RefuseS3Parameters(path);
  return httpfs_->DirectoryExists(path, opener);
}

void S3FileSystem::CreateDirectory(const std::string& path, Opener opener) {
  RefuseS3Parameters(path);
  httpfs_->CreateDirectory(path, opener);
}

void S3FileSystem::CreateDirectoriesRecursive(const std::string& path, Opener opener) {
  RefuseS3Parameters(path);
  httpfs_->CreateDirectoriesRecursive(path, opener);
}

void S3FileSystem::RemoveDirectory(const std::string& path, Opener opener) {
  RefuseS3Parameters(path);
  httpfs_->RemoveDirectory(path, opener);
}

std::string S3FileSystem::PathSeparator(const std::string& path) {
  return httpfs_->PathSeparator(path);
}

std::string S3FileSystem::CanonicalizePath(const std::string& path, Opener opener) {
  return httpfs_->CanonicalizePath(path, opener);
}

duckdb::unique_ptr<FileHandle> S3FileSystem::OpenFileExtended(const duckdb::OpenFileInfo& file,
                                                              duckdb::FileOpenFlags flags,
                                                              Opener opener) {
  RefuseS3Parameters(file.path);
  duckdb::shared_ptr<QueryState> state = QueryState::Of(opener);
  duckdb::unique_ptr<FileHandle> handle = httpfs_->OpenFile(file, flags, opener);
  if (!handle) return nullptr;
  if (state && !flags.OpenForWriting()) {
    state->counters().opens.fetch_add(1, std::memory_order_relaxed);
  }
  return duckdb::make_uniq<Handle>(*this, std::move(handle), std::move(state));
}

bool S3FileSystem::ListFilesExtended(const std::string& directory,
                                     const std::function<void(duckdb::OpenFileInfo&)>& callback,
                                     Opener opener) {
  RefuseS3Parameters(directory);
  return httpfs_->ListFiles(directory, callback, opener);
}

duckdb::unique_ptr<duckdb::MultiFileList> S3FileSystem::GlobFilesExtended(
    const std::string& path, const duckdb::FileGlobInput& input, Opener opener) {
  RefuseS3Parameters(path);
  return httpfs_->Glob(path, input, opener);
}

void GuardedLocalFileSystem::Close(const std::string& spill_folder) {
  if (!spill_folder.empty()) {
    spill_folder_ = CanonicalizePath(spill_folder, nullptr);
    if (!spill_folder_.ends_with('/')) spill_folder_ += '/';
  }
  closed_ = true;
}

bool GuardedLocalFileSystem::Guards(Opener opener) const {
  return closed_ && duckdb::FileOpener::TryGetClientContext(opener) != nullptr;
}

void GuardedLocalFileSystem::CheckRead(const std::string& path, Opener opener) {
  if (spill_folder_.empty() || !Guards(opener)) return;
  if ((CanonicalizePath(path, opener) + '/').starts_with(spill_folder_)) {
    throw duckdb::PermissionException("Cannot access file \"%s\": it is not an allowed path", path);
  }
}

void GuardedLocalFileSystem::CheckWrite(const std::string& path, Opener opener) const {
  if (!Guards(opener)) return;
  throw duckdb::PermissionException("Cannot write \"%s\": queries write to S3 only", path);
}

duckdb::unique_ptr<FileHandle> GuardedLocalFileSystem::OpenFile(const std::string& path,
                                                                duckdb::FileOpenFlags flags,
                                                                Opener opener) {
  CheckRead(path, opener);
  if (flags.OpenForWriting()) CheckWrite(path, opener);
  return LocalFileSystem::OpenFile(path, flags, opener);
}

bool GuardedLocalFileSystem::FileExists(const std::string& path, Opener opener) {
  CheckRead(path, opener);
  return LocalFileSystem::FileExists(path, opener);
}

void GuardedLocalFileSystem::RemoveFile(const std::string& path, Opener opener) {
  CheckWrite(path, opener);
  LocalFileSystem::RemoveFile(path, opener);
}

void GuardedLocalFileSystem::MoveFile(const std::string& from, const std::string& to,
                                      Opener opener) {
  CheckWrite(from, opener);
  LocalFileSystem::MoveFile(from, to, opener);
}

void GuardedLocalFileSystem::CreateDirectory(const std::string& path, Opener opener) {
  CheckWrite(path, opener);
  LocalFileSystem::CreateDirectory(path, opener);
}

void GuardedLocalFileSystem::RemoveDirectory(const std::string& path, Opener opener) {
  CheckWrite(path, opener);
  LocalFileSystem::RemoveDirectory(path, opener);
}

duckdb::unique_ptr<duckdb::MultiFileList> GuardedLocalFileSystem::GlobFilesExtended(
    const std::string& path, const duckdb::FileGlobInput& input, Opener opener) {
  CheckRead(path.substr(0, path.find_first_of("*?[")), opener);
  return LocalFileSystem::GlobFilesExtended(path, input, opener);
}

}  // namespace eider::engine
