#include "cache/reader.h"

namespace eider::cache {
}  // namespace eider::cache
