#include "cache/object_table.h"

#include <xxhash.h>

#include <utility>

namespace eider::cache {
namespace {

uint64_t HashOf(const std::string& url, const store::Version& version) {
  const uint64_t numbers[] = {static_cast<uint64_t>(version.size),
                              static_cast<uint64_t>(version.last_modified_ms), url.size()};
  uint64_t hash = XXH3_64bits(numbers, sizeof(numbers));
  hash = XXH3_64bits_withSeed(url.data(), url.size(), hash);
  return XXH3_64bits_withSeed(version.etag.data(), version.etag.size(), hash);
}

}  // namespace

InternedObject::InternedObject(std::shared_ptr<ObjectTable> table, std::string url,
                               store::Version version)
    : table_(std::move(table)),
      url_(std::move(url)),
      version_(std::move(version)),
      hash_(HashOf(url_, version_)) {}

InternedObject::~InternedObject() { table_->Forget(*this); }

uint64_t InternedObject::BlockKey(int64_t block) const {
  // The finalizer of splitmix64.
  uint64_t x = hash_ + static_cast<uint64_t>(block) * 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

// In what follows no InternedPtr may die under the lock: the last one calls Forget().

InternedPtr ObjectTable::Intern(const std::string& url, const store::Version& version) {
  std::vector<InternedPtr> others;
  auto fresh = std::make_shared<InternedObject>(shared_from_this(), url, version);
  base::MutexLock lock(mutex_);
  Versions& versions = urls_[url];
  for (const Held& held : versions) {
    InternedPtr object = held.weak.lock();
    if (object == nullptr) continue;
    if (object->version() == version) {
      // Not in the table: Forget() finds nothing of it.
      others.push_back(std::move(fresh));
      return object;
    }
    others.push_back(std::move(object));
  }
  versions.push_back({fresh.get(), fresh});
  return fresh;
}

InternedPtr ObjectTable::Latest(const std::string& url) const {
  std::vector<InternedPtr> all;
  {
    base::MutexLock lock(mutex_);
    const auto it = urls_.find(url);
    if (it == urls_.end()) return nullptr;
    for (const Held& held : it->second) {
      if (InternedPtr object = held.weak.lock()) all.push_back(std::move(object));
    }
  }
  InternedPtr latest;
  for (const InternedPtr& object : all) {
    if (object->blocks > 0 && (latest == nullptr || object->last_used > latest->last_used)) {
      latest = object;
    }
  }
  return latest;
}

void ObjectTable::Retire(const Versions& versions, std::vector<InternedPtr>& retired) {
  for (const Held& held : versions) {
    if (InternedPtr object = held.weak.lock()) {
      object->retired = true;
      retired.push_back(std::move(object));
    }
  }
}

std::vector<InternedPtr> ObjectTable::RetireUrl(const std::string& url) {
  std::vector<InternedPtr> retired;
  base::MutexLock lock(mutex_);
  if (const auto it = urls_.find(url); it != urls_.end()) {
    Retire(it->second, retired);
    urls_.erase(it);
  }
  return retired;
}

std::vector<InternedPtr> ObjectTable::RetirePrefix(const std::string& prefix) {
  std::vector<InternedPtr> retired;
  base::MutexLock lock(mutex_);
  for (auto it = urls_.begin(); it != urls_.end();) {
    if (!it->first.starts_with(prefix)) {
      ++it;
      continue;
    }
    Retire(it->second, retired);
    it = urls_.erase(it);
  }
  return retired;
}

void ObjectTable::Forget(const InternedObject& object) {
  base::MutexLock lock(mutex_);
  const auto it = urls_.find(object.url());
  if (it == urls_.end()) return;
  std::erase_if(it->second, [&](const Held& held) { return held.object == &object; });
  if (it->second.empty()) urls_.erase(it);
}

}  // namespace eider::cache
