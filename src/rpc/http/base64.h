// Base64 (RFC 4648, with padding) for results in JSON, encoded piece by piece.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace eider::rpc {

// Appends the encoding of a stream of bytes to a string as they come. Not thread-safe.
class Base64Encoder {
 public:
  explicit Base64Encoder(std::string& out) : out_(out) {}
  void Add(std::string_view bytes);
  // Encodes what is left over and pads it. Call once, last.
  void Finish();

 private:
  std::string& out_;
  char rest_[2] = {};  // bytes that do not make a group of three yet
  int rest_size_ = 0;
};

std::string Base64(std::string_view bytes);

}  // namespace eider::rpc
