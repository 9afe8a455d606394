#include "cache/metadata.h"

#include <utility>

namespace eider::cache {

std::optional<Metadata::Entry> Metadata::Find(const std::string& url) const {
  const auto found = entries_.find(url);
  if (found == entries_.end()) return std::nullopt;
  return found->second;
}

void Metadata::Put(const std::string& url, Entry entry) {
  const auto found = entries_.find(url);
  if (found != entries_.end()) {
    if (found->second.asked_at_ms <= entry.asked_at_ms) found->second = std::move(entry);
    return;
  }
  entries_.emplace(url, std::move(entry));
  age_.push_back(url);
  // An erased URL that came back stands in `age_` twice: it goes early, which costs one request.
  while (entries_.size() > max_entries_ || age_.size() > 2 * max_entries_) {
    entries_.erase(age_.front());
    age_.pop_front();
  }
}

void Metadata::ErasePrefix(const std::string& prefix) {
  std::erase_if(entries_, [&](const auto& entry) { return entry.first.starts_with(prefix); });
}

void Metadata::Clear() {
  entries_.clear();
  age_.clear();
}

}  // namespace eider::cache
