// The secrets that reads and writes of S3 use, kept fresh: our own, from the options and the shared
// config files of AWS, and those of the init SQL that their provider can renew.
#pragma once

#include <arrow/result.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "engine/engine.h"
#include "store/credentials.h"

namespace duckdb {
class ClientContext;
class DatabaseInstance;
}  // namespace duckdb

namespace eider::engine {

// Thread-safe.
class CredentialKeeper {
 public:
  // Errors: INVALID_QUERY where a config file cannot be read, or has no such profile.
  static arrow::Result<std::unique_ptr<CredentialKeeper>> Make(const S3Options& options);
  ~CredentialKeeper();

  // The statement that makes (or replaces) our own secret.
  std::string SecretSql();
  // Whether our own has no key.
  bool anonymous();
  // The statement that drops our own for good: the init SQL made one for all of S3.
  std::string GiveWay();

  // Takes over what changed in the config files, and renews secrets that are old. Cheap when there
  // is nothing to do, and that is looked at once a second at most.
  void KeepFresh(duckdb::DatabaseInstance& database);

  // After S3 refused a request for `path`: true where its secret was made anew just now (or has
  // been in the last second, by somebody else's refusal).
  bool Renew(duckdb::ClientContext& context, const std::string& path);

 private:
  using Clock = std::chrono::steady_clock;

  CredentialKeeper(const S3Options& options, std::unique_ptr<store::SharedConfig> shared);

  S3Options Current() EIDER_REQUIRES(mutex_);
  bool ReplaceOwn(duckdb::DatabaseInstance& database) EIDER_REQUIRES(mutex_);

  const S3Options options_;
  const std::unique_ptr<store::SharedConfig> shared_;

  base::Mutex mutex_;  // held over renewals: one at a time
  bool own_ EIDER_GUARDED_BY(mutex_) = true;
  std::string made_ EIDER_GUARDED_BY(mutex_);  // the SQL that our secret was made by
  Clock::time_point renewed_at_ EIDER_GUARDED_BY(mutex_);
  std::atomic<int64_t> look_at_ms_{0};  // when KeepFresh next has something to do
};

}  // namespace eider::engine
