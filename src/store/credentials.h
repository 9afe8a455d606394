// AWS's shared configuration files, read again when they change.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/mutex.h"

namespace eider::store {

// What one profile says; empty where it says nothing. Never logged, never in a message.
struct SharedProfile {
  std::string key_id;
  std::string secret_key;
  std::string session_token;
  std::string region;
  std::string endpoint_url;
  bool operator==(const SharedProfile&) const = default;
};

struct SharedPaths {
  std::string credentials;  // ~/.aws/credentials: sections [NAME]
  std::string config;       // ~/.aws/config: sections [profile NAME] and [default]
};

// The profile `name` of one file's text. `found` is whether it is there at all. Errors:
// INVALID_QUERY with the line's number, and nothing of what is in it. Pure.
struct ParsedProfile {
  bool found = false;
  SharedProfile profile;
};
enum class SharedFile { kCredentials, kConfig };
arrow::Result<ParsedProfile> ParseSharedFile(std::string_view text, SharedFile file,
                                             std::string_view name);

// Thread-safe. The files are looked at again at most once a second, when somebody asks; one that is
// gone, broken or half-written leaves the old values in place until it is whole. One that is
// written in place (not replaced by another file) counts once it is the same at two looks.
class SharedConfig {
 public:
  // A file that does not exist says nothing. Errors: INVALID_QUERY for one that cannot be read or
  // parsed, and for a `profile` other than "default" that is in neither. `clock` outlives it.
  static arrow::Result<std::unique_ptr<SharedConfig>> Load(SharedPaths paths, std::string profile,
                                                           const base::Clock& clock);

  SharedProfile Get();

 private:
  // What tells one state of a file from another.
  struct Stamp {
    int64_t inode = -1;  // -1: no file
    int64_t size = 0;
    int64_t modified_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  struct Stamps {
    Stamp credentials;
    Stamp config;
    bool operator==(const Stamps&) const = default;
  };

  SharedConfig(SharedPaths paths, std::string profile, const base::Clock& clock);

  Stamps Look() const;
  arrow::Result<SharedProfile> Read() const;

  const SharedPaths paths_;
  const std::string name_;
  const base::Clock& clock_;
  base::Mutex mutex_;
  Stamps stamps_ EIDER_GUARDED_BY(mutex_);  // of what profile_ is
  Stamps seen_ EIDER_GUARDED_BY(mutex_);    // at the last look
  SharedProfile profile_ EIDER_GUARDED_BY(mutex_);
  int64_t looked_ms_ EIDER_GUARDED_BY(mutex_) = 0;
};

}  // namespace eider::store
