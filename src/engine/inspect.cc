#include "engine/inspect.h"

#include <utility>

#include "engine/policy.h"

namespace eider::engine {

arrow::Result<Inspection> Inspect(const std::string& sql, const protocol::Arguments& arguments,
                                  bool write) {
  ARROW_ASSIGN_OR_RAISE(AllowedStatement allowed, ParseAllowed(sql, arguments, write));
  return std::move(allowed.inspection);
}

}  // namespace eider::engine
