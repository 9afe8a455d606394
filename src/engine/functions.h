// Functions that queries may not call: they run SQL that was not checked, show secrets, or change
// the instance for others.
#pragma once

#include <string_view>

namespace duckdb {
class ClientContext;
}

namespace eider::engine {

// By name, in any case.
bool IsRefusedFunction(std::string_view name);

// Throws the duckdb::PermissionException that a call to it gets.
[[noreturn]] void RefuseFunction(std::string_view name);

// Replaces them in the system catalog by functions of the same name that refuse to bind, so that no
// view, macro or nesting reaches them.
void ReplaceRefusedFunctions(duckdb::ClientContext& context);

}  // namespace eider::engine
