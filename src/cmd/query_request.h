// What `eider query` and `eider explain` send.
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

// The body of POST /v1/explain: the same, and whether it writes. Errors: the same.
arrow::Result<std::string> EncodeExplainRequest(const config::QueryOptions& options,
                                                const std::string& sql);

// The SQL that a command line gives: itself, or all of standard input for "-".
std::string ReadSql(const std::string& argument);

}  // namespace eider::cmd
