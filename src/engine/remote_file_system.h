// The file system that stands between DuckDB and S3.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "duckdb/common/file_system.hpp"
#include "duckdb/common/multi_file/multi_file_list.hpp"

namespace eider::engine {

class ReadPath;

// s3:// and its like (and https:// where it is allowed): a query's reads and globs go through the
// cache; writes, and what DuckDB reads for itself, go on to httpfs. Refuses URLs with S3
// parameters. Thread-safe, as DuckDB's file systems are.
class RemoteFileSystem final : public duckdb::FileSystem {
 public:
  // `httpfs` as taken out of the instance by ExtractSubSystem(); `read_path` outlives this.
  RemoteFileSystem(duckdb::unique_ptr<duckdb::FileSystem> httpfs, ReadPath& read_path)
      : httpfs_(std::move(httpfs)), read_path_(read_path) {}

  std::string GetName() const override { return "Eider" + httpfs_->GetName(); }
  bool CanHandleFile(const std::string& path) override { return httpfs_->CanHandleFile(path); }

  void Read(duckdb::FileHandle& handle, void* buffer, int64_t bytes, duckdb::idx_t at) override;
  int64_t Read(duckdb::FileHandle& handle, void* buffer, int64_t bytes) override;
  void Write(duckdb::FileHandle& handle, void* buffer, int64_t bytes, duckdb::idx_t at) override;
  int64_t Write(duckdb::FileHandle& handle, void* buffer, int64_t bytes) override;
  bool Trim(duckdb::FileHandle& handle, duckdb::idx_t offset, duckdb::idx_t bytes) override;
  void Truncate(duckdb::FileHandle& handle, int64_t size) override;
  void FileSync(duckdb::FileHandle& handle) override;
  int64_t GetFileSize(duckdb::FileHandle& handle) override;
  duckdb::timestamp_t GetLastModifiedTime(duckdb::FileHandle& handle) override;
  std::string GetVersionTag(duckdb::FileHandle& handle) override;
  duckdb::FileType GetFileType(duckdb::FileHandle& handle) override;
  duckdb::FileMetadata Stats(duckdb::FileHandle& handle) override;
  void Seek(duckdb::FileHandle& handle, duckdb::idx_t at) override;
  void Reset(duckdb::FileHandle& handle) override;
  duckdb::idx_t SeekPosition(duckdb::FileHandle& handle) override;
  // The Parquet reader fetches ahead only what is not on a disk.
  bool OnDiskFile(duckdb::FileHandle&) override { return false; }
  bool CanSeek() override { return true; }

  using Opener = duckdb::optional_ptr<duckdb::FileOpener>;
  bool FileExists(const std::string& path, Opener opener) override;
  bool IsPipe(const std::string& path, Opener opener) override;
  void RemoveFile(const std::string& path, Opener opener) override;
  bool TryRemoveFile(const std::string& path, Opener opener) override;
  void RemoveFiles(const duckdb::vector<duckdb::string>& paths, Opener opener) override;
  void MoveFile(const std::string& from, const std::string& to, Opener opener) override;
  bool DirectoryExists(const std::string& path, Opener opener) override;
  void CreateDirectory(const std::string& path, Opener opener) override;
  void CreateDirectoriesRecursive(const std::string& path, Opener opener) override;
  void RemoveDirectory(const std::string& path, Opener opener) override;
  std::string PathSeparator(const std::string& path) override;
  std::string CanonicalizePath(const std::string& path, Opener opener) override;

 protected:
  duckdb::unique_ptr<duckdb::FileHandle> OpenFileExtended(const duckdb::OpenFileInfo& file,
                                                          duckdb::FileOpenFlags flags,
                                                          Opener opener) override;
  bool SupportsOpenFileExtended() const override { return true; }
  bool ListFilesExtended(const std::string& directory,
                         const std::function<void(duckdb::OpenFileInfo&)>& callback,
                         Opener opener) override;
  bool SupportsListFilesExtended() const override { return true; }
  duckdb::unique_ptr<duckdb::MultiFileList> GlobFilesExtended(const std::string& path,
                                                              const duckdb::FileGlobInput& input,
                                                              Opener opener) override;
  // The plain Glob() of httpfs fails in 1.5.5; the extended one works.
  bool SupportsGlobExtended() const override { return true; }

 private:
  // The same by httpfs.
  duckdb::unique_ptr<duckdb::FileHandle> PassOn(const duckdb::OpenFileInfo& file,
                                                duckdb::FileOpenFlags flags, Opener opener);

  const duckdb::unique_ptr<duckdb::FileSystem> httpfs_;
  ReadPath& read_path_;
};

}  // namespace eider::engine
