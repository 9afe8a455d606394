// Percent-encoding, as SigV4 wants it: all but A-Z a-z 0-9 - . _ ~ becomes %XX, in upper case.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace eider::store {

std::string EncodePath(std::string_view key);     // keeps `/`
std::string EncodeQuery(std::string_view value);  // encodes `/` too

// What S3 gives in a list with encoding-type=url: `+` is a space. Nothing where an escape is
// broken.
std::optional<std::string> DecodeListed(std::string_view text);

}  // namespace eider::store
