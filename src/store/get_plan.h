// What to do with the answer to a GET, from its head. Pure: this is where a server's answer is held
// against what was asked.
#pragma once

#include <cstdint>
#include <string>

#include "store/http_head.h"
#include "store/object_store.h"

namespace eider::store {

struct GetPlan {
  enum class Kind {
    kBody,         // bytes follow
    kNotModified,  // 304
    kChanged,      // 412, or an answer of another version than If-Match asked for
    kPastEnd,      // 416: a body may say how large the object is
    kFailed,       // any other status: the body may say why
    kNonsense,     // the answer contradicts the question, or itself: `why`
  };
  Kind kind = Kind::kFailed;
  Version version;         // kBody; of kPastEnd the size where it was told, else -1
  int64_t offset = 0;      // of the first byte that is kept, in the object
  int64_t body_bytes = 0;  // kBody: what the body must come to
  int64_t skip_bytes = 0;  // of the body, before what is kept
  int64_t keep_bytes = 0;
  std::string why;
};

GetPlan PlanGet(const GetRequest& request, const HttpHead& head);

// The version that a head of 200 describes, where it describes one; `size` is its object's.
Version VersionOf(const HttpHead& head, int64_t size);

}  // namespace eider::store
