#include "coordinator/plan.h"

#include <algorithm>
#include <cstdio>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/error.h"
#include "engine/inspect.h"
#include "engine/paths.h"

namespace eider::coordinator {
namespace {

// The part of a URL before its first glob character, cut back to a whole folder.
std::string FixedPrefix(const std::string& url) {
  const size_t glob = url.find_first_of("*?[{");
  if (glob == std::string::npos) return url;
  return url.substr(0, url.rfind('/', glob) + 1);
}

}  // namespace

std::optional<std::string> KeyOf(const std::vector<std::string>& files) {
  if (files.empty()) return std::nullopt;
  if (files.size() == 1) return FixedPrefix(files[0]);
  std::string all;
  for (const std::string& file : files) all.append(file).push_back('\n');
  char key[32];
  std::snprintf(key, sizeof(key), "set:%016llx",
                static_cast<unsigned long long>(XXH3_64bits(all.data(), all.size())));
  return key;
}

arrow::Result<Plan> PlanQuery(const protocol::Query& query) {
  ARROW_ASSIGN_OR_RAISE(engine::Inspection seen,
                        engine::Inspect(query.sql, query.arguments, query.write));
  for (const std::string& file : query.files) {
    if (!engine::HasS3Parameters(file)) continue;
    return base::MakeError(base::ErrorCode::kPermissionDenied,
                           "`buckets` names \"" + file.substr(0, file.find('?')) +
                               "\" with parameters: ?s3_... is not allowed in an S3 URL");
  }
  Plan plan;
  plan.writes = seen.writes;
  plan.files = std::move(seen.files);
  plan.files.insert(plan.files.end(), query.files.begin(), query.files.end());
  std::sort(plan.files.begin(), plan.files.end());
  plan.files.erase(std::unique(plan.files.begin(), plan.files.end()), plan.files.end());
  // A query past the cache gains nothing where its files are kept: it goes where the least is done.
  const bool cached = query.cache_mode != protocol::CacheMode::kOff;
  // The client's own list says what the query reads also where the SQL computes it.
  if (cached && (!seen.computed_paths || !query.files.empty())) plan.key = KeyOf(plan.files);
  return plan;
}

}  // namespace eider::coordinator
