#include "engine/credentials.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "config/limits.h"
#include "duckdb.hpp"
#include "duckdb/catalog/catalog_transaction.hpp"
#include "duckdb/main/secret/secret.hpp"
#include "duckdb/main/secret/secret_manager.hpp"
#include "engine/errors.h"
#include "engine/quoting.h"
#include "engine/sandbox.h"

namespace eider::engine {
namespace {

using std::chrono::milliseconds;

constexpr char kSecretName[] = "eider_s3";
// A secret has one of these where its provider can be asked again.
constexpr char kRefreshInfo[] = "refresh_info";

bool StripPrefix(std::string* text, const std::string& prefix) {
  if (!text->starts_with(prefix)) return false;
  text->erase(0, prefix.size());
  return true;
}

std::string SqlOf(const S3Options& s3) {
  std::string endpoint = s3.endpoint;
  bool use_ssl = s3.use_ssl;
  if (StripPrefix(&endpoint, "http://")) use_ssl = false;
  if (StripPrefix(&endpoint, "https://")) use_ssl = true;
  while (endpoint.ends_with('/')) endpoint.pop_back();

  std::string sql =
      std::string("CREATE OR REPLACE SECRET ") + kSecretName + " (TYPE s3, PROVIDER config";
  const auto add = [&sql](const char* key, const std::string& value) {
    if (!value.empty()) sql += std::string(", ") + key + " " + Quoted(value);
  };
  // gs:// and r2:// go to the same place where that is given: it speaks S3.
  if (!endpoint.empty()) {
    sql += ", SCOPE ['s3://', 's3a://', 's3n://', 'gs://', 'gcs://', 'r2://']";
  }
  add("KEY_ID", s3.key_id);
  add("SECRET", s3.secret_key);
  add("SESSION_TOKEN", s3.session_token);
  add("REGION", s3.region);
  add("ENDPOINT", endpoint);
  add("URL_STYLE", s3.path_style ? "path" : "");
  if (!use_ssl) sql += ", USE_SSL false";
  return sql + ")";
}

int64_t NowMs() {
  return std::chrono::duration_cast<milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Asks the provider of `entry` again, by the statement that made it. False where it has none.
bool AskAgain(duckdb::DatabaseInstance& database, const duckdb::SecretEntry& entry) {
  const auto* secret = dynamic_cast<const duckdb::KeyValueSecret*>(entry.secret.get());
  duckdb::Value info;
  if (secret == nullptr || !secret->TryGetValue(kRefreshInfo, info) || info.IsNull()) return false;
  duckdb::CreateSecretInput input;
  input.on_conflict = duckdb::OnCreateConflict::REPLACE_ON_CONFLICT;
  input.persist_type = duckdb::SecretPersistType::TEMPORARY;
  input.type = secret->GetType();
  input.name = secret->GetName();
  input.provider = secret->GetProvider();
  input.storage_type = entry.storage_mode;
  input.scope = secret->GetScope();
  const auto& values = duckdb::StructValue::GetChildren(info);
  for (duckdb::idx_t i = 0; i < values.size(); ++i) {
    input.options[duckdb::StructType::GetChildName(info.type(), i)] = values[i];
  }
  // Its own transaction: a query's is read-only.
  duckdb::Connection connection(database);
  connection.BeginTransaction();
  database.GetSecretManager().CreateSecret(*connection.context, input);
  connection.Commit();
  return true;
}

}  // namespace

arrow::Result<std::unique_ptr<CredentialKeeper>> CredentialKeeper::Make(const S3Options& options) {
  static const base::SystemClock kClock;
  ARROW_ASSIGN_OR_RAISE(
      auto shared, store::SharedConfig::Load(
                       {.credentials = options.credentials_file, .config = options.config_file},
                       options.profile.empty() ? "default" : options.profile, kClock));
  return std::unique_ptr<CredentialKeeper>(new CredentialKeeper(options, std::move(shared)));
}

CredentialKeeper::CredentialKeeper(const S3Options& options,
                                   std::unique_ptr<store::SharedConfig> shared)
    : options_(options), shared_(std::move(shared)) {}

CredentialKeeper::~CredentialKeeper() = default;

// What options and environment say is stronger than the files; a key comes whole from one of them.
S3Options CredentialKeeper::Current() {
  S3Options current = options_;
  const store::SharedProfile shared = shared_->Get();
  if (current.key_id.empty()) {
    current.key_id = shared.key_id;
    current.secret_key = shared.secret_key;
    current.session_token = shared.session_token;
  }
  if (current.region.empty()) current.region = shared.region;
  if (current.endpoint.empty()) current.endpoint = shared.endpoint_url;
  return current;
}

std::string CredentialKeeper::SecretSql() {
  base::MutexLock lock(mutex_);
  renewed_at_ = Clock::now();
  made_ = SqlOf(Current());
  return made_;
}

bool CredentialKeeper::anonymous() {
  base::MutexLock lock(mutex_);
  return Current().key_id.empty();
}

std::string CredentialKeeper::GiveWay() {
  base::MutexLock lock(mutex_);
  own_ = false;
  return std::string("DROP SECRET ") + kSecretName;
}

bool CredentialKeeper::ReplaceOwn(duckdb::DatabaseInstance& database) {
  if (!own_ || made_.empty()) return false;
  std::string sql = SqlOf(Current());
  if (sql == made_) return false;
  duckdb::Connection connection(database);
  const auto result = connection.Query(sql);
  if (result->HasError()) {
    spdlog::warn("the changed S3 credentials could not be taken over");
    return false;
  }
  made_ = std::move(sql);
  spdlog::info("the S3 credentials were taken over from the changed config files");
  return true;
}

void CredentialKeeper::KeepFresh(duckdb::DatabaseInstance& database) {
  const int64_t now_ms = NowMs();
  int64_t due_ms = look_at_ms_;
  if (now_ms < due_ms) return;
  // One thread looks; the others go on with what there is.
  if (!look_at_ms_.compare_exchange_strong(due_ms, now_ms + config::kMinSecretRenewalMs)) return;
  base::MutexLock lock(mutex_);
  ReplaceOwn(database);
  if (Clock::now() - renewed_at_ < milliseconds(config::kSecretRenewalMs)) return;
  renewed_at_ = Clock::now();
  const auto transaction = duckdb::CatalogTransaction::GetSystemTransaction(database);
  for (const duckdb::SecretEntry& entry : database.GetSecretManager().AllSecrets(transaction)) {
    try {
      AskAgain(database, entry);
    } catch (const std::exception&) {
      // What it holds may be good for a while yet; S3 will say when it is not.
      spdlog::warn("the secret {} could not be renewed", entry.secret->GetName());
    }
  }
}

bool CredentialKeeper::Renew(duckdb::ClientContext& context, const std::string& path) {
  base::MutexLock lock(mutex_);
  const bool recent = Clock::now() - renewed_at_ < milliseconds(config::kMinSecretRenewalMs);
  if (ReplaceOwn(*context.db)) return true;
  duckdb::SecretManager& manager = context.db->GetSecretManager();
  for (const char* type : {"s3", "r2", "gcs", "aws"}) {
    const auto transaction = duckdb::CatalogTransaction::GetSystemTransaction(*context.db);
    const duckdb::SecretMatch match = manager.LookupSecret(transaction, path, type);
    if (match.secret_entry == nullptr) continue;
    if (recent) return true;
    try {
      renewed_at_ = Clock::now();
      return AskAgain(*context.db, *match.secret_entry);
    } catch (const std::exception&) {
      spdlog::warn("the secret {} could not be renewed", match.secret_entry->secret->GetName());
      return false;
    }
  }
  return false;
}

}  // namespace eider::engine
