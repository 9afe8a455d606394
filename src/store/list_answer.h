// S3's ListBucketResult document as a ListPage. Pure.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <string_view>

#include "store/object_store.h"

namespace eider::store {

// Errors: arrow::Status::Invalid saying what is wrong with it.
arrow::Result<ListPage> ParseListAnswer(std::string_view xml);

// "2026-03-01T12:00:00.000Z" in milliseconds since 1970, cut to whole seconds, which is what a HEAD
// of the same object tells; 0 where it is none.
int64_t ParseListTimeMs(std::string_view text);

}  // namespace eider::store
