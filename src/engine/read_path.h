// The way of S3 reads below DuckDB: who may read what with which credentials, and the cache.
#pragma once

#include <arrow/result.h>

#include <memory>
#include <optional>
#include <string>

#include "cache/reader.h"
#include "duckdb/common/file_opener.hpp"
#include "duckdb/common/open_file_info.hpp"
#include "duckdb/common/optional_ptr.hpp"
#include "engine/engine.h"

namespace duckdb {
class ClientContext;
class DatabaseInstance;
}  // namespace duckdb

namespace eider::engine {

class CredentialKeeper;
class QueryState;

// One for each engine; outlives its file systems. Thread-safe.
class ReadPath {
 public:
  // Errors: INVALID_QUERY that says which option is wrong. A cache directory that cannot be used is
  // a warning in the log, and no cache.
  static arrow::Result<std::unique_ptr<ReadPath>> Make(const EngineOptions& options);
  ~ReadPath();

  cache::Reader& reader() { return *reader_; }
  CredentialKeeper& credentials() { return *credentials_; }

  // Where `path` is, with the secret that DuckDB has for it. nullopt: httpfs has to read it (URLs
  // with parameters, secrets of a kind that is not ours).
  std::optional<cache::Source> Find(const std::string& path, duckdb::FileOpener& opener);

  // Opens `file` for a query. Throws what Reader::Open gives, as DuckDB's exceptions; nullptr where
  // it does not exist and `may_miss`.
  cache::ObjectPtr Open(const duckdb::OpenFileInfo& file, cache::Source* source, bool may_miss,
                        QueryState& state);

  // After a read failed with PERMISSION_DENIED: true where the credentials were renewed, and
  // `source` has them, so that it is worth another try.
  bool RenewAccess(const arrow::Status& failure, QueryState& state, cache::Source* source);

 private:
  ReadPath(const EngineOptions& options, std::unique_ptr<cache::Reader> reader,
           std::unique_ptr<CredentialKeeper> credentials);

  std::optional<cache::Source> FindObject(const std::string& path, duckdb::FileOpener& opener);
  std::optional<cache::Source> FindHttp(const std::string& path) const;

  const S3Options s3_;
  const std::unique_ptr<cache::Reader> reader_;
  const std::unique_ptr<CredentialKeeper> credentials_;
};

}  // namespace eider::engine
