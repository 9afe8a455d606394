#include "store/get_plan.h"

#include <algorithm>
#include <utility>

#include "config/limits.h"
#include "store/s3_request.h"

namespace eider::store {
namespace {

struct Extent {
  int64_t offset = 0;
  int64_t length = 0;
};

// The bytes of an object of `size` that `range` means.
Extent Resolve(const Range& range, int64_t size) {
  if (range.kind == Range::Kind::kSuffix) {
    const int64_t length = std::min(range.length, size);
    return {.offset = size - length, .length = length};
  }
  const int64_t offset = std::min(range.offset, size);
  return {.offset = range.offset, .length = std::min(range.length, size - offset)};
}

GetPlan Nonsense(std::string why) {
  return {.kind = GetPlan::Kind::kNonsense, .why = std::move(why)};
}

GetPlan PlanPart(const GetRequest& request, const HttpHead& head) {
  const std::string field(head.Find("content-range"));
  const auto range = ParseContentRange(field);
  if (!range || range->first < 0) {
    return Nonsense("its Content-Range `" + field + "` is none");
  }
  const Extent asked = Resolve(request.range, range->size);
  const int64_t length = range->last - range->first + 1;
  if (range->first != asked.offset || length != asked.length) {
    return Nonsense("it sent `" + field + "` for `" + RangeHeader(request.range) + "`");
  }
  if (const std::string_view told = head.Find("content-length"); !told.empty()) {
    if (ParseByteCount(told) != length) {
      return Nonsense("its Content-Length `" + std::string(told) + "` is not that of `" + field +
                      "`");
    }
  }
  return {.kind = GetPlan::Kind::kBody,
          .version = VersionOf(head, range->size),
          .offset = range->first,
          .body_bytes = length,
          .keep_bytes = length};
}

// A server that knows no ranges, or saw that all of it was asked for.
GetPlan PlanWhole(const GetRequest& request, const HttpHead& head) {
  const auto size = ParseByteCount(head.Find("content-length"));
  if (!size) return Nonsense("it sent the whole object, without its size, when a part was asked");
  const Extent asked = Resolve(request.range, *size);
  if (*size > asked.length && *size > config::kMaxS3WholeBytes) {
    return Nonsense("it sent the whole object of " + std::to_string(*size) +
                    " bytes when a part was asked: it serves no ranges");
  }
  return {.kind = GetPlan::Kind::kBody,
          .version = VersionOf(head, *size),
          .offset = asked.offset,
          .body_bytes = *size,
          .skip_bytes = std::min(asked.offset, *size),
          .keep_bytes = asked.length};
}

GetPlan PlanPastEnd(const GetRequest& request, const HttpHead& head) {
  const std::string_view etag = head.Find("etag");
  if (!request.if_match.empty() && !etag.empty() && etag != request.if_match) {
    return {.kind = GetPlan::Kind::kChanged};
  }
  const auto range = ParseContentRange(head.Find("content-range"));
  return {.kind = GetPlan::Kind::kPastEnd, .version = VersionOf(head, range ? range->size : -1)};
}

}  // namespace

Version VersionOf(const HttpHead& head, int64_t size) {
  Version version{.size = size,
                  .etag = std::string(head.Find("etag")),
                  .last_modified_ms = ParseHttpDateMs(head.Find("last-modified"))};
  if (version.etag.empty() && size >= 0) version.etag = TagOfTime(version.last_modified_ms, size);
  return version;
}

GetPlan PlanGet(const GetRequest& request, const HttpHead& head) {
  switch (head.status) {
    case 304:
      if (request.if_none_match.empty()) return Nonsense("it answered 304 to no condition");
      return {.kind = GetPlan::Kind::kNotModified};
    case 412:
      if (request.if_match.empty()) return {.kind = GetPlan::Kind::kFailed};
      return {.kind = GetPlan::Kind::kChanged};
    case 416:
      return PlanPastEnd(request, head);
    case 200:
    case 206:
      break;
    default:
      return {.kind = GetPlan::Kind::kFailed};
  }
  GetPlan plan = head.status == 206 ? PlanPart(request, head) : PlanWhole(request, head);
  if (plan.kind != GetPlan::Kind::kBody) return plan;
  // Whoever stands between may not have honoured the condition.
  if (!request.if_match.empty() && plan.version.etag != request.if_match) {
    return {.kind = GetPlan::Kind::kChanged};
  }
  if (!request.if_none_match.empty() && plan.version.etag == request.if_none_match) {
    return {.kind = GetPlan::Kind::kNotModified};
  }
  return plan;
}

}  // namespace eider::store
