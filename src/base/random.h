// Randomness that must not be guessed: ids, nonces, keys.
#pragma once

#include <string>

namespace eider::base {

// `bytes` bytes of the operating system's randomness. Aborts when there is none: no id or key of
// Eider may be guessable. Thread-safe.
std::string RandomBytes(int bytes);

// The same in lower-case hexadecimal: twice as many characters.
std::string RandomHex(int bytes);

// `bytes` in lower-case hexadecimal.
std::string ToHex(const std::string& bytes);

}  // namespace eider::base
