// A query whose body itself says whether it writes: where the way by which it came does not.
#pragma once

#include <arrow/result.h>

#include <string_view>

#include "protocol/query.h"

namespace eider::protocol {

// As DecodeQuery, of a body that may have `"write": true`.
arrow::Result<Query> DecodeAnyQuery(std::string_view json);

}  // namespace eider::protocol
