#include "rpc/http/base64.h"

#include <cstddef>

namespace eider::rpc {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void EncodeGroup(const char* in, char* out) {
  const auto byte = [in](int i) { return static_cast<uint32_t>(static_cast<uint8_t>(in[i])); };
  const uint32_t bits = byte(0) << 16 | byte(1) << 8 | byte(2);
  out[0] = kAlphabet[bits >> 18];
  out[1] = kAlphabet[bits >> 12 & 63];
  out[2] = kAlphabet[bits >> 6 & 63];
  out[3] = kAlphabet[bits & 63];
}

}  // namespace

void Base64Encoder::Add(std::string_view bytes) {
  if (rest_size_ > 0) {
    char group[3] = {rest_[0], rest_[1], 0};
    while (rest_size_ < 3 && !bytes.empty()) {
      group[rest_size_++] = bytes.front();
      bytes.remove_prefix(1);
    }
    if (rest_size_ < 3) {
      rest_[0] = group[0];
      rest_[1] = group[1];
      return;
    }
    char encoded[4];
    EncodeGroup(group, encoded);
    out_.append(encoded, sizeof(encoded));
    rest_size_ = 0;
  }
  const size_t groups = bytes.size() / 3;
  size_t at = out_.size();
  out_.resize(at + groups * 4);
  for (size_t i = 0; i < groups; ++i, at += 4) EncodeGroup(bytes.data() + i * 3, out_.data() + at);
  bytes.remove_prefix(groups * 3);
  for (const char byte : bytes) rest_[rest_size_++] = byte;
}

void Base64Encoder::Finish() {
  if (rest_size_ == 0) return;
  const char group[3] = {rest_[0], rest_size_ > 1 ? rest_[1] : '\0', 0};
  char encoded[4];
  EncodeGroup(group, encoded);
  encoded[3] = '=';
  if (rest_size_ == 1) encoded[2] = '=';
  out_.append(encoded, sizeof(encoded));
  rest_size_ = 0;
}

std::string Base64(std::string_view bytes) {
  std::string out;
  Base64Encoder encoder(out);
  encoder.Add(bytes);
  encoder.Finish();
  return out;
}

}  // namespace eider::rpc
