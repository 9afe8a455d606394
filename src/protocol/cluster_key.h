// The cluster key: the secret that coordinator and workers share, and the MACs made with it.
#pragma once

#include <arrow/result.h>

#include <string>
#include <string_view>

namespace eider::protocol {

// Immutable; copies share nothing. Never logged.
class ClusterKey {
 public:
  static constexpr int kBytes = 32;
  static constexpr int kMacBytes = 32;

  static ClusterKey Generate();
  // Reads a file that WriteNew made: 64 hex digits and a newline.
  // Errors: INVALID_QUERY naming the file when it cannot be read, is of another shape, or may be
  // read by others than its owner.
  static arrow::Result<ClusterKey> Read(const std::string& path);
  // Reads `path`, or makes it first (with its folders) when it is missing; of several processes
  // that do so at once one wins and all read the same key.
  static arrow::Result<ClusterKey> ReadOrCreate(const std::string& path);
  // Writes a new key to `path`, 0600 and O_EXCL; an error when the file is there already.
  static arrow::Status WriteNew(const std::string& path);

  // HMAC-SHA256 over `purpose`, a zero byte and `message`: a MAC made for one purpose is none for
  // another.
  std::string Mac(std::string_view purpose, std::string_view message) const;
  // In constant time.
  bool Verify(std::string_view purpose, std::string_view message, std::string_view mac) const;
  // A key for one session, from both sides' nonces.
  ClusterKey Derive(std::string_view context) const;

 private:
  explicit ClusterKey(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string bytes_;
};

// MAC, then payload: the form in which tickets, commands and announcements travel.
std::string Seal(const ClusterKey& key, std::string_view purpose, std::string_view payload);
// The payload. Errors: PERMISSION_DENIED when it is too short or the MAC is not right.
arrow::Result<std::string> Unseal(const ClusterKey& key, std::string_view purpose,
                                  std::string_view sealed);

}  // namespace eider::protocol
