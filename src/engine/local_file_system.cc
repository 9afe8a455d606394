#include "engine/local_file_system.h"

#include "duckdb/common/file_opener.hpp"

namespace eider::engine {

using duckdb::FileHandle;

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
