#include "engine/remote_file_system.h"

#include <utility>

#include "duckdb/common/file_opener.hpp"
#include "engine/glob.h"
#include "engine/httpfs_handle.h"
#include "engine/object_handle.h"
#include "engine/paths.h"
#include "engine/query_state.h"
#include "engine/read_path.h"

namespace eider::engine {
namespace {

using duckdb::FileHandle;
using duckdb::idx_t;

RemoteHandle& Of(FileHandle& handle) { return handle.Cast<RemoteHandle>(); }

void NoteWritten(duckdb::optional_ptr<duckdb::FileOpener> opener, const std::string& path) {
  if (const auto state = QueryState::Of(opener)) state->NoteWritten(path);
}

}  // namespace

void RemoteFileSystem::Read(FileHandle& handle, void* buffer, int64_t bytes, idx_t at) {
  Of(handle).ReadAt(buffer, bytes, static_cast<int64_t>(at));
}

int64_t RemoteFileSystem::Read(FileHandle& handle, void* buffer, int64_t bytes) {
  return Of(handle).ReadOn(buffer, bytes);
}

void RemoteFileSystem::Write(FileHandle& handle, void* buffer, int64_t bytes, idx_t at) {
  httpfs_->Write(Of(handle).httpfs(), buffer, bytes, at);
}

int64_t RemoteFileSystem::Write(FileHandle& handle, void* buffer, int64_t bytes) {
  return httpfs_->Write(Of(handle).httpfs(), buffer, bytes);
}

bool RemoteFileSystem::Trim(FileHandle& handle, idx_t offset, idx_t bytes) {
  return httpfs_->Trim(Of(handle).httpfs(), offset, bytes);
}

void RemoteFileSystem::Truncate(FileHandle& handle, int64_t size) {
  httpfs_->Truncate(Of(handle).httpfs(), size);
}

void RemoteFileSystem::FileSync(FileHandle& handle) { httpfs_->FileSync(Of(handle).httpfs()); }

int64_t RemoteFileSystem::GetFileSize(FileHandle& handle) { return Of(handle).Size(); }

duckdb::timestamp_t RemoteFileSystem::GetLastModifiedTime(FileHandle& handle) {
  return Of(handle).ModifiedAt();
}

std::string RemoteFileSystem::GetVersionTag(FileHandle& handle) { return Of(handle).VersionTag(); }

duckdb::FileType RemoteFileSystem::GetFileType(FileHandle& handle) { return Of(handle).Type(); }

duckdb::FileMetadata RemoteFileSystem::Stats(FileHandle& handle) { return Of(handle).Metadata(); }

void RemoteFileSystem::Seek(FileHandle& handle, idx_t at) { Of(handle).SeekTo(at); }

void RemoteFileSystem::Reset(FileHandle& handle) { Of(handle).Rewind(); }

idx_t RemoteFileSystem::SeekPosition(FileHandle& handle) { return Of(handle).Position(); }

bool RemoteFileSystem::FileExists(const std::string& path, Opener opener) {
  RefuseUnsafeUrl(path);
  const auto state = QueryState::Of(opener);
  auto source = state ? read_path_.Find(path, *opener) : std::nullopt;
  if (!source) return httpfs_->FileExists(path, opener);
  return read_path_.Open(path, &*source, /*may_miss=*/true, *state) != nullptr;
}

bool RemoteFileSystem::IsPipe(const std::string&, Opener) { return false; }

void RemoteFileSystem::RemoveFile(const std::string& path, Opener opener) {
  RefuseUnsafeUrl(path);
  NoteWritten(opener, path);
  httpfs_->RemoveFile(path, opener);
}

bool RemoteFileSystem::TryRemoveFile(const std::string& path, Opener opener) {
  RefuseUnsafeUrl(path);
  NoteWritten(opener, path);
  return httpfs_->TryRemoveFile(path, opener);
}

void RemoteFileSystem::RemoveFiles(const duckdb::vector<duckdb::string>& paths, Opener opener) {
  for (const std::string& path : paths) {
    RefuseUnsafeUrl(path);
    NoteWritten(opener, path);
  }
  httpfs_->RemoveFiles(paths, opener);
}

void RemoteFileSystem::MoveFile(const std::string& from, const std::string& to, Opener opener) {
  RefuseUnsafeUrl(from);
  RefuseUnsafeUrl(to);
  NoteWritten(opener, from);
  NoteWritten(opener, to);
  httpfs_->MoveFile(from, to, opener);
}

bool RemoteFileSystem::DirectoryExists(const std::string& path, Opener opener) {
  RefuseUnsafeUrl(path);
  return httpfs_->DirectoryExists(path, opener);
}

void RemoteFileSystem::CreateDirectory(const std::string& path, Opener opener) {
  RefuseUnsafeUrl(path);
  httpfs_->CreateDirectory(path, opener);
}

void RemoteFileSystem::CreateDirectoriesRecursive(const std::string& path, Opener opener) {
  RefuseUnsafeUrl(path);
  httpfs_->CreateDirectoriesRecursive(path, opener);
}

void RemoteFileSystem::RemoveDirectory(const std::string& path, Opener opener) {
  RefuseUnsafeUrl(path);
  NoteWritten(opener, path.ends_with('/') ? path : path + "/");
  httpfs_->RemoveDirectory(path, opener);
}

std::string RemoteFileSystem::PathSeparator(const std::string& path) {
  return httpfs_->PathSeparator(path);
}

std::string RemoteFileSystem::CanonicalizePath(const std::string& path, Opener opener) {
  return httpfs_->CanonicalizePath(path, opener);
}

duckdb::unique_ptr<FileHandle> RemoteFileSystem::OpenFileExtended(const duckdb::OpenFileInfo& file,
                                                                  duckdb::FileOpenFlags flags,
                                                                  Opener opener) {
  RefuseUnsafeUrl(file.path);
  duckdb::shared_ptr<QueryState> state = QueryState::Of(opener);
  if (!state || flags.OpenForWriting()) return PassOn(file, flags, opener);
  auto source = read_path_.Find(file.path, *opener);
  if (!source) return PassOn(file, flags, opener);
  cache::ObjectPtr object = read_path_.Open(file, &*source, flags.ReturnNullIfNotExists(), *state);
  if (!object) return nullptr;
  return duckdb::make_uniq<ObjectHandle>(*this, file.path, flags, read_path_, *std::move(source),
                                         std::move(object), std::move(state));
}

duckdb::unique_ptr<FileHandle> RemoteFileSystem::PassOn(const duckdb::OpenFileInfo& file,
                                                        duckdb::FileOpenFlags flags,
                                                        Opener opener) {
  duckdb::shared_ptr<QueryState> state = QueryState::Of(opener);
  if (state && flags.OpenForWriting()) state->NoteWritten(file.path);
  duckdb::unique_ptr<FileHandle> handle = httpfs_->OpenFile(file, flags, opener);
  if (!handle) return nullptr;
  if (state && !flags.OpenForWriting()) state->CountPassedOpen();
  return duckdb::make_uniq<HttpfsHandle>(*this, std::move(handle), std::move(state));
}

bool RemoteFileSystem::ListFilesExtended(const std::string& directory,
                                         const std::function<void(duckdb::OpenFileInfo&)>& callback,
                                         Opener opener) {
  RefuseUnsafeUrl(directory);
  return httpfs_->ListFiles(directory, callback, opener);
}

duckdb::unique_ptr<duckdb::MultiFileList> RemoteFileSystem::GlobFilesExtended(
    const std::string& path, const duckdb::FileGlobInput& input, Opener opener) {
  RefuseUnsafeUrl(path);
  const auto state = QueryState::Of(opener);
  if (!state) return httpfs_->Glob(path, input, opener);
  const auto source = read_path_.Find(path, *opener);
  if (!source || source->access->plain_http) return httpfs_->Glob(path, input, opener);
  return duckdb::make_uniq<duckdb::SimpleMultiFileList>(
      ExpandGlob(path, *source, read_path_.reader(), *state));
}

}  // namespace eider::engine
