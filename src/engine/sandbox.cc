#include "engine/sandbox.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "duckdb.hpp"
#include "duckdb/catalog/catalog_transaction.hpp"
#include "duckdb/main/secret/secret.hpp"
#include "duckdb/main/secret/secret_manager.hpp"
#include "engine/credentials.h"
#include "engine/delta_tables.h"
#include "engine/errors.h"
#include "engine/extensions.h"
#include "engine/functions.h"
#include "engine/iceberg_tables.h"
#include "engine/local_file_system.h"
#include "engine/quoting.h"
#include "engine/read_path.h"
#include "engine/remote_file_system.h"
#include "engine/scan_columns.h"

namespace eider::engine {
namespace {

using base::ErrorCode;
using base::MakeError;

// Every scheme that httpfs serves as S3; a list of ['s3://'] does not cover the others.
constexpr std::array kSchemes = {"s3://", "s3a://", "s3n://", "gs://", "gcs://", "r2://"};

std::string QuotedList(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items) out += (out.size() > 1 ? ", " : "") + Quoted(item);
  return out + "]";
}

// Runs our own SQL; `what` says in an error what it was for.
class Runner {
 public:
  explicit Runner(duckdb::DuckDB& database) : connection_(database), database_(database) {}

  arrow::Status Run(const std::string& sql, const std::string& what) {
    const auto result = connection_.Query(sql);
    if (!result->HasError()) return arrow::Status::OK();
    return Failed(result->GetErrorObject(), what);
  }

  arrow::Status RunInit(const EngineOptions& options) {
    const std::string what = "the init SQL " + options.init_name;
    try {
      const arrow::Status status = RunInitSql(connection_, options.extension_dir, options.init_sql);
      if (status.ok()) return status;
      return MakeError(ErrorCode::kInvalidQuery, what + ": " + base::ErrorOf(status).message);
    } catch (const std::exception& exception) {
      return Failed(duckdb::ErrorData(exception), what);
    }
  }

  arrow::Status Set(const std::string& name, const std::string& value) {
    return Run("SET GLOBAL " + name + " = " + value, name);
  }

  duckdb::Connection& connection() { return connection_; }

 private:
  arrow::Status Failed(const duckdb::ErrorData& error, const std::string& what) const {
    const arrow::Status status =
        TranslateError(error, {.credentials = CredentialsOf(database_), .files = {}});
    std::string message = base::ErrorOf(status).message;
    // The line that DuckDB quotes may hold a secret that was not made yet.
    message.resize(std::min(message.size(), message.find("\n\nLINE ")));
    return MakeError(ErrorCode::kInvalidQuery, what + ": " + message);
  }

  duckdb::Connection connection_;
  duckdb::DuckDB& database_;
};

arrow::Status LoadExtensions(Runner* runner, const EngineOptions& options) {
  for (const std::string& name : options.extensions) {
    ARROW_RETURN_NOT_OK(LoadExtension(runner->connection(), options.extension_dir, name));
  }
  return arrow::Status::OK();
}

bool HasHttpfs(const EngineOptions& options) {
  return std::ranges::find(options.extensions, "httpfs") != options.extensions.end();
}

arrow::Status Configure(Runner* runner, const EngineOptions& options) {
  // Nothing of the machine's or its user's own comes in: no extension from the network, no secret
  // from a home directory.
  for (const char* name : {"autoinstall_known_extensions", "autoload_known_extensions",
                           "allow_community_extensions", "allow_persistent_secrets"}) {
    ARROW_RETURN_NOT_OK(runner->Set(name, "false"));
  }
  // What is read is kept on disk by our own cache; a second copy in memory is what queries need.
  ARROW_RETURN_NOT_OK(runner->Set("enable_external_file_cache", "false"));
  // Parsed footers are not kept between queries: in DuckDB 1.5.5 the second read of a file with an
  // encrypted footer is an internal error then, after which the whole instance is unusable.
  return runner->Set("parquet_metadata_cache", "false");
}

arrow::Status ConfigureHttpfs(Runner* runner, const EngineOptions& options) {
  // Without it each query shakes hands anew.
  ARROW_RETURN_NOT_OK(runner->Set("httpfs_connection_caching", "true"));
  // It never revalidates: an object that was overwritten would be read with its old size.
  ARROW_RETURN_NOT_OK(runner->Set("enable_http_metadata_cache", "false"));
  // Every query can read the setting: one with a password stays out of it.
  if (!options.s3.proxy.empty() && options.s3.proxy.find('@') == std::string::npos) {
    ARROW_RETURN_NOT_OK(runner->Set("http_proxy", Quoted(options.s3.proxy)));
  }
  if (options.s3.ca_file.empty()) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(runner->Set("ca_cert_file", Quoted(options.s3.ca_file)));
  return runner->Set("enable_server_cert_verification", "true");
}

// httpfs takes the AWS environment into settings, which any query could read by current_setting();
// credentials belong into secrets.
arrow::Status ForgetSettings(Runner* runner) {
  for (const char* name : {"s3_access_key_id", "s3_secret_access_key", "s3_session_token"}) {
    ARROW_RETURN_NOT_OK(runner->Run(std::string("SET GLOBAL ") + name + " = NULL", name));
  }
  return arrow::Status::OK();
}

arrow::Status RefuseReadableCredentials(Runner* runner) {
  for (const char* name :
       {"s3_access_key_id", "s3_secret_access_key", "s3_session_token", "http_proxy_password"}) {
    duckdb::Value value;
    auto found = runner->connection().context->TryGetCurrentSetting(name, value);
    if (!found || value.IsNull() || value.ToString().empty()) continue;
    return MakeError(ErrorCode::kInvalidQuery,
                     std::string("the init SQL sets ") + name +
                         ", which every query could read: use CREATE SECRET");
  }
  return arrow::Status::OK();
}

int CountSecrets(duckdb::Connection& connection, const std::string& condition) {
  const auto result = connection.Query(
      "SELECT count(*) FROM duckdb_secrets() WHERE type IN ('s3', 'aws') AND " + condition);
  return result->HasError() ? 0 : result->GetValue(0, 0).GetValue<int>();
}

// Ours is there before the init SQL, which may read S3; one of its own for all of S3 is stronger
// than ours without a key.
arrow::Status RunInit(Runner* runner, CredentialKeeper& credentials, const EngineOptions& options) {
  if (HasHttpfs(options)) {
    ARROW_RETURN_NOT_OK(ForgetSettings(runner));
    ARROW_RETURN_NOT_OK(runner->Run(credentials.SecretSql(), "the S3 options"));
  }
  if (options.init_sql.empty()) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(runner->RunInit(options));
  if (!HasHttpfs(options)) return arrow::Status::OK();
  const bool others = CountSecrets(runner->connection(),
                                   "name <> 'eider_s3' AND "
                                   "list_contains(scope, 's3://')") > 0;
  if (others && credentials.anonymous()) {
    ARROW_RETURN_NOT_OK(runner->Run(credentials.GiveWay(), "the S3 options"));
  }
  return RefuseReadableCredentials(runner);
}

arrow::Status TakeOver(duckdb::DuckDB& database, ReadPath& read_path) {
  duckdb::FileSystem& all = database.instance->GetFileSystem();
  for (const char* name : {"S3FileSystem", "HTTPFileSystem"}) {
    duckdb::unique_ptr<duckdb::FileSystem> httpfs = all.ExtractSubSystem(name);
    if (!httpfs) return MakeError(ErrorCode::kInternal, std::string("httpfs has no ") + name);
    all.RegisterSubSystem(duckdb::make_uniq<RemoteFileSystem>(std::move(httpfs), read_path));
  }
  return arrow::Status::OK();
}

bool IsHttp(const std::string& path) {
  return path.starts_with("https://") || path.starts_with("http://");
}

arrow::Status CloseSandbox(Runner* runner, GuardedLocalFileSystem& local,
                           const EngineOptions& options) {
  namespace fs = std::filesystem;
  std::vector<std::string> folders(kSchemes.begin(), kSchemes.end());
  std::vector<std::string> files;
  for (const std::string& path : options.allowed_paths) {
    if (IsHttp(path)) {
      (path.ends_with('/') ? folders : files).push_back(path);
      continue;
    }
    const std::string absolute = fs::absolute(path).lexically_normal().string();
    std::error_code ignored;
    const bool folder = path.ends_with('/') || fs::is_directory(absolute, ignored);
    if (!folder) {
      files.push_back(absolute);
    } else {
      folders.push_back(absolute.ends_with('/') ? absolute : absolute + "/");
    }
  }
  ARROW_RETURN_NOT_OK(runner->Set("allowed_directories", QuotedList(folders)));
  if (!files.empty()) ARROW_RETURN_NOT_OK(runner->Set("allowed_paths", QuotedList(files)));
  ARROW_RETURN_NOT_OK(runner->Set("enable_external_access", "false"));
  local.Close(options.temp_directory);
  return runner->Set("lock_configuration", "true");
}

}  // namespace

arrow::Status SetUp(duckdb::DuckDB& database, GuardedLocalFileSystem& local, ReadPath& read_path,
                    const EngineOptions& options) {
  try {
    Runner runner(database);
    ARROW_RETURN_NOT_OK(Configure(&runner, options));
    ARROW_RETURN_NOT_OK(LoadExtensions(&runner, options));
    if (HasHttpfs(options)) ARROW_RETURN_NOT_OK(ConfigureHttpfs(&runner, options));
    ARROW_RETURN_NOT_OK(RunInit(&runner, read_path.credentials(), options));
    if (HasHttpfs(options)) ARROW_RETURN_NOT_OK(TakeOver(database, read_path));
    WatchScannedColumns(database);
    ReplaceRefusedFunctions(*runner.connection().context);
    GuardDeltaTables(*runner.connection().context);
    GuardIcebergTables(*runner.connection().context);
    return CloseSandbox(&runner, local, options);
  } catch (const std::exception& exception) {
    return TranslateException(exception, {.credentials = CredentialsOf(database), .files = {}});
  }
}

std::vector<std::string> CredentialsOf(duckdb::DuckDB& database) {
  std::vector<std::string> out;
  try {
    duckdb::SecretManager& manager = database.instance->GetSecretManager();
    const auto transaction = duckdb::CatalogTransaction::GetSystemTransaction(*database.instance);
    for (const duckdb::SecretEntry& entry : manager.AllSecrets(transaction)) {
      const auto* secret = dynamic_cast<const duckdb::KeyValueSecret*>(entry.secret.get());
      if (secret == nullptr) continue;
      for (const auto& [key, value] : secret->secret_map) {
        const bool private_key = secret->redact_keys.contains(key) || key == "key_id";
        if (private_key && !value.IsNull()) out.push_back(value.ToString());
      }
    }
  } catch (const std::exception&) {
    // An instance that is broken has no secrets to look up, and no message with one.
  }
  return out;
}

}  // namespace eider::engine
