// The file systems that stand between DuckDB and what queries read.
#pragma once

#include <atomic>
#include <string>

#include "duckdb/common/file_system.hpp"
#include "duckdb/common/local_file_system.hpp"
#include "duckdb/common/multi_file/multi_file_list.hpp"

namespace eider::engine {

// s3:// and its like: passes everything on to httpfs's own file system, counts what each query
// reads, and refuses URLs with S3 parameters. Thread-safe, as DuckDB's file systems are.
class S3FileSystem final : public duckdb::FileSystem {
 public:
  // `httpfs` as taken out of the instance by ExtractSubSystem("S3FileSystem").
  explicit S3FileSystem(duckdb::unique_ptr<duckdb::FileSystem> httpfs)
      : httpfs_(std::move(httpfs)) {}

  std::string GetName() const override { return "EiderS3FileSystem"; }
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
  bool OnDiskFile(duckdb::FileHandle& handle) override;
  bool CanSeek() override { return httpfs_->CanSeek(); }

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
  const duckdb::unique_ptr<duckdb::FileSystem> httpfs_;
};

// Local files. DuckDB's own sandbox knows which paths are allowed, but counts its spill folder as
// one and does not tell reading from writing; this refuses queries both. Thread-safe.
class GuardedLocalFileSystem final : public duckdb::LocalFileSystem {
 public:
  // From here on, queries may not write, and may not read below `spill_folder` (empty: none).
  // REQUIRES: no query has run yet.
  void Close(const std::string& spill_folder);

  using Opener = duckdb::optional_ptr<duckdb::FileOpener>;
  duckdb::unique_ptr<duckdb::FileHandle> OpenFile(const std::string& path,
                                                  duckdb::FileOpenFlags flags,
                                                  Opener opener) override;
  bool FileExists(const std::string& path, Opener opener) override;
  void RemoveFile(const std::string& path, Opener opener) override;
  void MoveFile(const std::string& from, const std::string& to, Opener opener) override;
  void CreateDirectory(const std::string& path, Opener opener) override;
  void RemoveDirectory(const std::string& path, Opener opener) override;

 protected:
  duckdb::unique_ptr<duckdb::MultiFileList> GlobFilesExtended(const std::string& path,
                                                              const duckdb::FileGlobInput& input,
                                                              Opener opener) override;

 private:
  // Whether a query asks, and not DuckDB for itself.
  bool Guards(Opener opener) const;
  void CheckRead(const std::string& path, Opener opener);
  void CheckWrite(const std::string& path, Opener opener) const;

  std::atomic<bool> closed_{false};
  std::string spill_folder_;  // set before closed_, with a slash at its end
};

}  // namespace eider::engine
