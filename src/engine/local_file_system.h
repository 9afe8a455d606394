// Local files, guarded.
#pragma once

#include <atomic>
#include <string>

#include "duckdb/common/local_file_system.hpp"
#include "duckdb/common/multi_file/multi_file_list.hpp"

namespace eider::engine {

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
