// What `eider query` sends.
#pragma once

#include <arrow/result.h>

#include <string>

#include "config/options.h"

namespace eider::cmd {

// The body of POST /read or /write for `sql` with the options' parameters: NAME=VALUE for named
// ones, each value as JSON where it is JSON, else as a string.
// Errors: Invalid for positional and named parameters together, or a name given twice.
arrow::Result<std::string> EncodeQueryRequest(const config::QueryOptions& options,
                                              const std::string& sql);

}  // namespace eider::cmd
