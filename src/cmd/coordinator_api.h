// The coordinator's status calls as the command line uses them.
#pragma once

#include <arrow/result.h>

#include <optional>
#include <string>

#include "base/error.h"
#include "protocol/value.h"

namespace eider::cmd {

// What a failed Fetch says to its user: where no coordinator was reached, also what to do.
arrow::Status WithHint(const arrow::Status& failed);

// GET of a path such as "/v1/workers". Errors: the connection's, or the one in the answer.
arrow::Result<protocol::Value> GetJson(const std::string& url, const std::string& path);

// POST of a JSON body; the answer is JSON too. Errors: the same.
arrow::Result<protocol::Value> PostJson(const std::string& url, const std::string& path,
                                        const std::string& body);

// The error of an answer that is not 200.
base::ErrorInfo ErrorOfAnswer(int status, const std::string& body);

// The newest query of this client that the coordinator knows, an object of GET /v1/queries.
std::optional<protocol::Value> FindQuery(const std::string& url, const std::string& client);

// DELETE of that query, so that it stops now and not when its broken connection is noticed.
void CancelQuery(const std::string& url, const std::string& client);

}  // namespace eider::cmd
