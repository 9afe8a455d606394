// Failures of storage in words: what an HTTP status and S3's error document, or a connection's end,
// are to a user.
#pragma once

#include <arrow/status.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "store/exchange.h"
#include "store/http_head.h"
#include "store/object_store.h"

namespace eider::store {

// What a request is about, for its errors.
struct Subject {
  const Access& access;
  const std::string& bucket;
  const std::string& url;  // as the user wrote it
};

// An answer that is no success; `body` is S3's error document where there is one. Retry-After goes
// into ErrorInfo::retry_after_ms.
arrow::Status AnswerError(const Subject& subject, const HttpHead& head, std::string_view body);

// A request that ended without an answer. REQUIRES: end.kind is not kComplete.
arrow::Status EndError(const Subject& subject, const ExchangeEnd& end);

// An answer that makes no sense: STORAGE_UNAVAILABLE.
arrow::Status NonsenseError(const Subject& subject, std::string_view why);

// The region that a refusal says its bucket is in; empty where it names none (or what can be none).
std::string RegionInRefusal(const HttpHead& head, std::string_view body);

// The size in the error document of a 416; -1 where it has none.
int64_t SizeInError(std::string_view body);

}  // namespace eider::store
