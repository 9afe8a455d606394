#include "cmd/query_summary.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "cmd/table.h"

namespace eider::cmd {
namespace {

int64_t Number(const protocol::Value& object, std::string_view name) {
  const protocol::Value* field = object.Find(name);
  return field == nullptr ? 0 : std::llround(std::strtod(field->text.c_str(), nullptr));
}

std::string Counted(int64_t count, const std::string& noun) {
  return GroupDigits(count) + " " + noun + (count == 1 ? "" : "s");
}

}  // namespace

std::string QuerySummary(const protocol::Value& record) {
  const int64_t run_ms = Number(record, "run_ms");
  const protocol::Value* run = record.Find("run_ms");
  if (run == nullptr || std::strtod(run->text.c_str(), nullptr) <= 0) return "";
  std::string text = Counted(Number(record, "rows"), "row") + " in " + GroupDigits(run_ms) +
                     " ms, " + Counted(Number(record, "s3_requests"), "S3 request");
  const int64_t asked = Number(record, "asked_bytes");
  if (asked <= 0) return text;
  const int64_t cached = std::min(Number(record, "cache_bytes"), asked);
  const double share = 100.0 * static_cast<double>(cached) / static_cast<double>(asked);
  return text + ", " + std::to_string(static_cast<int>(share)) + "% from cache";
}

}  // namespace eider::cmd
