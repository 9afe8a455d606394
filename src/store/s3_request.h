// What is sent to S3 for a read: URLs and headers. Pure.
#pragma once

#include <string>
#include <string_view>

#include "store/exchange.h"
#include "store/object_store.h"

namespace eider::store {

HttpRequest ObjectGet(const GetRequest& request);
HttpRequest ObjectHead(const GetRequest& request);
HttpRequest BucketList(const ListRequest& request);

// Whether requests with `access` are signed.
bool IsSigned(const Access& access);
// Whether they say for whom they are at all.
bool IsAnonymous(const Access& access);

// "bytes=0-99", "bytes=-1048576". REQUIRES: a length above 0.
std::string RangeHeader(const Range& range);

// The tag of a version whose server sends no ETag: made of its time, or empty without one. It has
// no quotes, so that it is never taken for an ETag.
std::string TagOfTime(int64_t last_modified_ms, int64_t size);
// Whether `tag` can go into If-Match: an ETag that is neither weak nor made by TagOfTime.
bool IsStrongETag(std::string_view tag);

}  // namespace eider::store
