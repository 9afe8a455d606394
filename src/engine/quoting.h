// Texts as SQL spells them.
#pragma once

#include <string>

namespace eider::engine {

inline std::string Quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + "'";
}

}  // namespace eider::engine
