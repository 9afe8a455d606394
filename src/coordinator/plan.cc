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

std::optional<std::string> KeyOf(std::vector<std::string> files) {
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
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
  // The client's own list says what the query reads also where the SQL computes it.
  if (seen.computed_paths && query.files.empty()) return plan;
  std::vector<std::string> files = std::move(seen.files);
  files.insert(files.end(), query.files.begin(), query.files.end());
  plan.key = KeyOf(std::move(files));
  return plan;
}

}  // namespace eider::coordinator
