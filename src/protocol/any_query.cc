#include "protocol/any_query.h"

#include "base/error.h"
#include "protocol/value.h"

namespace eider::protocol {

arrow::Result<Query> DecodeAnyQuery(std::string_view json) {
  if (json.find("\"write\"") == std::string_view::npos) return DecodeQuery(json, /*write=*/false);
  ARROW_ASSIGN_OR_RAISE(Value body, ParseJson(json));
  bool write = false;
  for (size_t i = 0; i < body.names.size(); ++i) {
    if (body.names[i] != "write") continue;
    if (body.items[i].kind != Value::Kind::kBool) {
      return base::MakeError(base::ErrorCode::kInvalidQuery, "`write` must be true or false");
    }
    write = body.items[i].boolean;
    body.names.erase(body.names.begin() + static_cast<std::ptrdiff_t>(i));
    body.items.erase(body.items.begin() + static_cast<std::ptrdiff_t>(i));
    break;
  }
  return DecodeQuery(EncodeJson(body), write);
}

}  // namespace eider::protocol
