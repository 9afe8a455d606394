// What `eider status` shows, from the JSON of /v1/workers and /v1/queries.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/value.h"

namespace eider::cmd {

// Fields that are missing are shown as "-". `now_ms` is wall time.
std::string StatusText(const protocol::Value& workers, const protocol::Value& queries,
                       int64_t now_ms, int max_width);

}  // namespace eider::cmd
