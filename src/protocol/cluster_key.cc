#include "protocol/cluster_key.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/error.h"
#include "base/random.h"

namespace eider::protocol {
namespace {

using base::ErrorCode;
using base::MakeError;

arrow::Status FileError(const std::string& path, const std::string& why) {
  return MakeError(ErrorCode::kInvalidQuery, "cluster key file " + path + ": " + why);
}

std::string Errno() { return std::strerror(errno); }

// Closes a file descriptor at the end of a scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool FromHex(std::string_view hex, std::string* out) {
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    const int high = HexDigit(hex[i]);
    const int low = HexDigit(hex[i + 1]);
    if (high < 0 || low < 0) return false;
    out->push_back(static_cast<char>(high * 16 + low));
  }
  return hex.size() % 2 == 0;
}

}  // namespace

ClusterKey ClusterKey::Generate() { return ClusterKey(base::RandomBytes(kBytes)); }

arrow::Result<ClusterKey> ClusterKey::Read(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return FileError(path, Errno());
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return FileError(path, Errno());
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return FileError(path, "others may read it; run: chmod 600 " + path);
  }
  char text[2 * kBytes + 2] = {};
  const ssize_t size = ::read(file.get(), text, sizeof(text));
  std::string bytes;
  const bool whole = size == 2 * kBytes + 1 && text[2 * kBytes] == '\n';
  if (!whole || !FromHex(std::string_view(text, 2 * kBytes), &bytes)) {
    return FileError(path, "does not hold 64 hex digits; make one with: eider keygen " + path);
  }
  return ClusterKey(std::move(bytes));
}

// The key is written to a file of its own and linked to its name whole: a reader never sees half a
// key, and of several writers one wins (link, like O_EXCL, fails where the name is taken).
arrow::Status ClusterKey::WriteNew(const std::string& path) {
  const std::string draft = path + "." + base::RandomHex(8);
  {
    const Descriptor file(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file.get() < 0) return FileError(path, Errno());
    const std::string text = base::RandomHex(kBytes) + "\n";
    if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      const std::string why = Errno();
      ::unlink(draft.c_str());
      return FileError(path, why);
    }
  }
  const int linked = ::link(draft.c_str(), path.c_str());
  const std::string why = Errno();
  ::unlink(draft.c_str());
  if (linked != 0) return FileError(path, why);
  return arrow::Status::OK();
}

arrow::Result<ClusterKey> ClusterKey::ReadOrCreate(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
    const arrow::Status written = WriteNew(path);
    if (!written.ok() && !std::filesystem::exists(path, ignored)) return written;
  }
  return Read(path);
}

std::string ClusterKey::Mac(std::string_view purpose, std::string_view message) const {
  std::string text;
  text.reserve(purpose.size() + 1 + message.size());
  text.append(purpose).push_back('\0');
  text.append(message);
  std::string mac(kMacBytes, '\0');
  unsigned int size = 0;
  const unsigned char* done = HMAC(EVP_sha256(), bytes_.data(), static_cast<int>(bytes_.size()),
                                   reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                                   reinterpret_cast<unsigned char*>(mac.data()), &size);
  if (done == nullptr || size != kMacBytes) std::abort();
  return mac;
}

bool ClusterKey::Verify(std::string_view purpose, std::string_view message,
                        std::string_view mac) const {
  const std::string right = Mac(purpose, message);
  return mac.size() == right.size() && CRYPTO_memcmp(mac.data(), right.data(), right.size()) == 0;
}

ClusterKey ClusterKey::Derive(std::string_view context) const {
  return ClusterKey(Mac("derive", context));
}

std::string Seal(const ClusterKey& key, std::string_view purpose, std::string_view payload) {
  return key.Mac(purpose, payload).append(payload);
}

arrow::Result<std::string> Unseal(const ClusterKey& key, std::string_view purpose,
                                  std::string_view sealed) {
  if (sealed.size() >= ClusterKey::kMacBytes) {
    const std::string_view payload = sealed.substr(ClusterKey::kMacBytes);
    if (key.Verify(purpose, payload, sealed.substr(0, ClusterKey::kMacBytes))) {
      return std::string(payload);
    }
  }
  return MakeError(ErrorCode::kPermissionDenied,
                   "this " + std::string(purpose) + " was not made with this cluster's key");
}

}  // namespace eider::protocol
