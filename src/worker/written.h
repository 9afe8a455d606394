// What is told of what a statement wrote.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace eider::worker {

// The same in at most `limit` entries: where there are more, the folders they lie in (prefixes that
// end in '/'), or the folders above those, up to the buckets; the first `limit` of them where there
// are more buckets than that. Without doubles, in order.
std::vector<std::string> Shorten(std::vector<std::string> written, size_t limit);

}  // namespace eider::worker
