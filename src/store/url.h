// Which object a URL of object storage names.
#pragma once

#include <arrow/result.h>

#include <string>
#include <string_view>

#include "store/object_store.h"

namespace eider::store {

// A URL as S3 and its like are named: which of them is the scheme's (and the configuration's) say.
struct ObjectUrl {
  std::string scheme;  // s3, s3a, s3n, gs, gcs or r2
  ObjectName object;   // the key as it stands in the URL, not decoded; empty: the bucket itself
};

// Whether `url` has one of these schemes.
bool IsObjectUrl(std::string_view url);

// Errors: INVALID_QUERY for another scheme, or no or an impossible bucket.
arrow::Result<ObjectUrl> ParseObjectUrl(std::string_view url);

// `url` as it may stand in a message: an http:// or https:// one loses its user and its query,
// which may be credentials.
std::string UrlForMessages(std::string_view url);

}  // namespace eider::store
