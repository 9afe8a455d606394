// The versions that S3 named last, and when.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

#include "store/object_store.h"

namespace eider::cache {

// Of at most `max_entries` URLs; the ones that came first go first. Not thread-safe.
class Metadata {
 public:
  struct Entry {
    store::Version version;
    int64_t asked_at_ms = 0;  // when the request that brought it was sent, monotonic
  };

  explicit Metadata(size_t max_entries) : max_entries_(max_entries) {}

  std::optional<Entry> Find(const std::string& url) const;
  // Leaves what was asked for later as it is.
  void Put(const std::string& url, Entry entry);
  void Erase(const std::string& url) { entries_.erase(url); }
  void ErasePrefix(const std::string& prefix);
  void Clear();

 private:
  const size_t max_entries_;
  std::unordered_map<std::string, Entry> entries_;
  std::deque<std::string> age_;  // every URL of entries_, and some that were erased
};

}  // namespace eider::cache
