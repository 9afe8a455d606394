#include "engine/read_path.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "duckdb/main/client_context.hpp"
#include "duckdb/main/client_data.hpp"
#include "duckdb/main/secret/secret.hpp"
#include "engine/credentials.h"
#include "engine/errors.h"
#include "engine/paths.h"
#include "engine/query_state.h"
#include "store/make_store.h"
#include "store/url.h"

namespace eider::engine {
namespace {

using duckdb::Value;

// Types of secrets that httpfs takes for S3, in its order.
constexpr std::array kSecretTypes = {"s3", "r2", "gcs", "aws"};

// What a secret, or a setting where it has none, says for one path.
class SecretReader {
 public:
  SecretReader(duckdb::FileOpener& opener, const std::string& path)
      : info_{path}, types_(kSecretTypes), reader_(opener, &info_, types_.data(), types_.size()) {}

  std::string Text(const char* key, const char* setting) {
    Value value;
    if (!reader_.TryGetSecretKeyOrSetting(key, setting, value) || value.IsNull()) return "";
    return value.ToString();
  }
  bool Flag(const char* key, const char* setting, bool otherwise) {
    Value value;
    if (!reader_.TryGetSecretKeyOrSetting(key, setting, value) || value.IsNull()) return otherwise;
    return value.DefaultCastAs(duckdb::LogicalType::BOOLEAN).GetValue<bool>();
  }
  // Of the secret alone: a setting is not for every scheme.
  std::string SecretText(const char* key) {
    Value value;
    if (!reader_.TryGetSecretKey(key, value) || value.IsNull()) return "";
    return value.ToString();
  }

 private:
  duckdb::FileOpenerInfo info_;
  std::array<const char*, kSecretTypes.size()> types_;
  duckdb::KeyValueSecretReader reader_;
};

bool IsGoogle(const std::string& path) {
  return path.starts_with("gs://") || path.starts_with("gcs://");
}

void StripScheme(store::Access* access) {
  for (const auto& [scheme, ssl] : {std::pair{"http://", false}, std::pair{"https://", true}}) {
    if (!access->endpoint.starts_with(scheme)) continue;
    access->endpoint.erase(0, std::string_view(scheme).size());
    access->use_ssl = ssl;
  }
  while (access->endpoint.ends_with('/')) access->endpoint.pop_back();
}

// By the rules of httpfs, whose writes go by the same secret.
void FindEndpoint(const std::string& path, SecretReader& secret, store::Access* access) {
  const bool google = IsGoogle(path);
  access->endpoint =
      google ? secret.SecretText("endpoint") : secret.Text("endpoint", "s3_endpoint");
  std::string style =
      google ? secret.SecretText("url_style") : secret.Text("url_style", "s3_url_style");
  if (google && access->endpoint.empty()) access->endpoint = "storage.googleapis.com";
  if (google && style.empty()) style = "path";
  access->path_style = style == "path";
  StripScheme(access);
  if (access->region.empty()) access->region = "us-east-1";
  const bool aws = access->endpoint.empty() || (access->endpoint.starts_with("s3.") &&
                                                access->endpoint.ends_with(".amazonaws.com"));
  if (aws) access->endpoint = "s3." + access->region + ".amazonaws.com";
}

// Which end DuckDB reads first.
cache::Reader::Opening OpeningOf(const std::string& path) {
  constexpr std::array kFromTheHead = {".csv", ".tsv", ".txt",  ".json", ".jsonl", ".ndjson",
                                       ".gz",  ".zst", ".avro", ".md",   ".xml",   ".log"};
  const auto ends = [&](const char* ending) { return path.ends_with(ending); };
  return std::ranges::any_of(kFromTheHead, ends) ? cache::Reader::Opening::kHead
                                                 : cache::Reader::Opening::kTail;
}

// What the list or glob that named a file said of it.
std::optional<store::Version> KnownVersion(const duckdb::OpenFileInfo& file) {
  if (!file.extended_info) return std::nullopt;
  const auto& options = file.extended_info->options;
  const auto size = options.find("file_size");
  const auto etag = options.find("etag");
  if (size == options.end() || etag == options.end()) return std::nullopt;
  if (size->second.IsNull() || etag->second.IsNull()) return std::nullopt;
  // The iceberg and delta extensions know a size alone, and give an ETag that is empty.
  if (etag->second.ToString().empty()) return std::nullopt;
  store::Version version;
  version.size = static_cast<int64_t>(size->second.GetValue<uint64_t>());
  version.etag = etag->second.ToString();
  const auto modified = options.find("last_modified");
  if (modified != options.end() && !modified->second.IsNull()) {
    version.last_modified_ms =
        duckdb::Timestamp::GetEpochMs(modified->second.GetValue<duckdb::timestamp_t>());
  }
  return version;
}

std::unique_ptr<cache::BlockCache> OpenBlocks(const EngineOptions& options) {
  if (!options.cache || options.cache_dir.empty() || options.cache_size_bytes <= 0) return nullptr;
  auto blocks =
      cache::BlockCache::Open({.dir = options.cache_dir, .budget_bytes = options.cache_size_bytes});
  if (blocks.ok()) return *std::move(blocks);
  spdlog::warn("there is no disk cache: {}", blocks.status().message());
  return nullptr;
}

}  // namespace

arrow::Result<std::unique_ptr<ReadPath>> ReadPath::Make(const EngineOptions& options) {
  ARROW_ASSIGN_OR_RAISE(auto credentials, CredentialKeeper::Make(options.s3));
  auto reader = std::make_unique<cache::Reader>(
      store::MakeStore({}), OpenBlocks(options),
      cache::ReaderOptions{.revalidate_ms = options.cache ? options.revalidate_ms : 0});
  return std::unique_ptr<ReadPath>(
      new ReadPath(options, std::move(reader), std::move(credentials)));
}

ReadPath::ReadPath(const EngineOptions& options, std::unique_ptr<cache::Reader> reader,
                   std::unique_ptr<CredentialKeeper> credentials)
    : s3_(options.s3), reader_(std::move(reader)), credentials_(std::move(credentials)) {}

ReadPath::~ReadPath() = default;

std::optional<cache::Source> ReadPath::Find(const std::string& path, duckdb::FileOpener& opener) {
  if (path.starts_with("http://") || path.starts_with("https://")) return FindHttp(path);
  return FindObject(path, opener);
}

std::optional<cache::Source> ReadPath::FindHttp(const std::string& path) const {
  const size_t host = path.find("://") + 3;
  const size_t slash = path.find('/', host);
  if (slash == std::string::npos) return std::nullopt;
  store::Access access;
  access.plain_http = true;
  access.use_ssl = path.starts_with("https://");
  access.endpoint = path.substr(host, slash - host);
  access.region = "none";
  access.ca_file = s3_.ca_file;
  access.proxy = s3_.proxy;
  return cache::Source{.access = std::make_shared<store::Access>(std::move(access)),
                       .name = {.bucket = "", .key = path.substr(slash)},
                       .url = path};
}

std::optional<cache::Source> ReadPath::FindObject(const std::string& path,
                                                  duckdb::FileOpener& opener) {
  if (path.find('?') != std::string::npos) return std::nullopt;
  if (!store::IsObjectUrl(path)) return std::nullopt;
  auto url = store::ParseObjectUrl(path);
  if (!url.ok()) ThrowStatus(url.status());
  if (auto database = duckdb::FileOpener::TryGetDatabase(&opener)) {
    credentials_->KeepFresh(*database);
  }
  SecretReader secret(opener, path);
  // What we do not speak, httpfs does.
  if (secret.Flag("s3_url_compatibility_mode", "s3_url_compatibility_mode", false)) {
    return std::nullopt;
  }
  store::Access access;
  access.region = secret.Text("region", "s3_region");
  access.key_id = secret.Text("key_id", "s3_access_key_id");
  access.secret_key = secret.Text("secret", "s3_secret_access_key");
  access.session_token = secret.Text("session_token", "s3_session_token");
  access.bearer_token = secret.SecretText("bearer_token");
  access.requester_pays = secret.Flag("requester_pays", "s3_requester_pays", false);
  access.use_ssl = secret.Flag("use_ssl", "s3_use_ssl", true);
  access.ca_file = s3_.ca_file;
  access.proxy = s3_.proxy;
  FindEndpoint(path, secret, &access);
  return cache::Source{.access = std::make_shared<store::Access>(std::move(access)),
                       .name = std::move(url->object),
                       .url = CanonicalUrl(path)};
}

cache::ObjectPtr ReadPath::Open(const duckdb::OpenFileInfo& file, cache::Source* source,
                                bool may_miss, QueryState& state) {
  const auto open = [&] {
    return reader_->Open(*source, OpeningOf(file.path), KnownVersion(file), state.reads());
  };
  arrow::Result<cache::ObjectPtr> object = open();
  if (!object.ok() && RenewAccess(object.status(), state, source)) object = open();
  if (object.ok()) return *std::move(object);
  const bool missing = base::ErrorOf(object.status()).code == base::ErrorCode::kNotFound;
  if (missing && may_miss) return nullptr;
  state.ThrowFailedRead(object.status());
}

bool ReadPath::RenewAccess(const arrow::Status& failure, QueryState& state, cache::Source* source) {
  if (source->access->plain_http) return false;
  if (base::ErrorOf(failure).code != base::ErrorCode::kPermissionDenied) return false;
  auto context = state.context();
  if (!context || !credentials_->Renew(*context, source->url)) return false;
  auto renewed = FindObject(source->url, *duckdb::ClientData::Get(*context).file_opener);
  if (!renewed || *renewed->access == *source->access) return false;
  *source = *std::move(renewed);
  return true;
}

}  // namespace eider::engine
