// What `eider explain` prints.
#pragma once

#include <string>

#include "protocol/value.h"

namespace eider::cmd {

// `route` is the answer of POST /v1/explain: the choice and why in words, then the workers that
// were looked at. At most `max_width` columns of a terminal wide (0: any).
std::string ExplainText(const protocol::Value& route, int max_width);

}  // namespace eider::cmd
