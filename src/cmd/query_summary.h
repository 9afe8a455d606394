// The line on stderr that says what a query cost.
#pragma once

#include <string>

#include "protocol/value.h"

namespace eider::cmd {

// "1,234 rows in 56 ms, 2 S3 requests, 80% from cache", of an object of GET /v1/queries/{id}; empty
// where its worker has not told. The share is of the bytes that were asked of S3 files.
std::string QuerySummary(const protocol::Value& record);

}  // namespace eider::cmd
