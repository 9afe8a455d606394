#include "cache/query_memory.h"

#include <cstring>

namespace eider::cache {

QueryMemory::~QueryMemory() {
  std::vector<std::function<void()>> at_end;
  {
    base::MutexLock lock(mutex_);
    at_end.swap(at_end_);
  }
  for (const auto& release : at_end) release();
}

ObjectPtr QueryMemory::Pinned(const std::string& url) const {
  base::MutexLock lock(mutex_);
  const auto found = pinned_.find(url);
  return found == pinned_.end() ? nullptr : found->second;
}

std::pair<ObjectPtr, bool> QueryMemory::Pin(const std::string& url, ObjectPtr object) {
  base::MutexLock lock(mutex_);
  const auto [at, fresh] = pinned_.try_emplace(url, std::move(object));
  return {at->second, fresh};
}

bool QueryMemory::BeginRefresh(const std::string& url) {
  base::MutexLock lock(mutex_);
  return refreshed_.try_emplace(url, true).second;
}

std::shared_ptr<const Reader::Listing> QueryMemory::Listed(const std::string& key) const {
  base::MutexLock lock(mutex_);
  const auto found = lists_.find(key);
  return found == lists_.end() ? nullptr : found->second;
}

void QueryMemory::List(const std::string& key, std::shared_ptr<const Reader::Listing> listing) {
  base::MutexLock lock(mutex_);
  lists_.try_emplace(key, std::move(listing));
}

void QueryMemory::Keep(const ObjectPtr& object, int64_t offset,
                       std::shared_ptr<arrow::Buffer> bytes) {
  if (bytes == nullptr || bytes->size() == 0 || bytes->size() > budget_bytes_) return;
  base::MutexLock lock(mutex_);
  const Place place{object.get(), offset};
  const auto found = pieces_.find(place);
  if (found != pieces_.end()) {
    if (found->second.bytes->size() >= bytes->size()) return;
    bytes_ += bytes->size() - found->second.bytes->size();
    found->second.bytes = std::move(bytes);
  } else {
    bytes_ += bytes->size();
    age_.push_back(place);
    pieces_.emplace(place, Piece{object, offset, std::move(bytes)});
  }
  while (bytes_ > budget_bytes_) {
    const auto oldest = pieces_.find(age_.front());
    age_.pop_front();
    bytes_ -= oldest->second.bytes->size();
    pieces_.erase(oldest);
  }
}

const QueryMemory::Piece* QueryMemory::Find(const Object& object, int64_t offset,
                                            int64_t length) const {
  auto after = pieces_.upper_bound({&object, offset});
  // A longer piece may begin before a shorter one that begins nearer.
  for (int back = 0; back < 4 && after != pieces_.begin(); ++back) {
    --after;
    if (after->first.first != &object) return nullptr;
    if (after->second.end() >= offset + length) return &after->second;
  }
  return nullptr;
}

bool QueryMemory::Has(const Object& object, int64_t offset, int64_t length) const {
  base::MutexLock lock(mutex_);
  return Find(object, offset, length) != nullptr;
}

bool QueryMemory::Read(const Object& object, int64_t offset, std::span<uint8_t> out) const {
  std::shared_ptr<arrow::Buffer> bytes;
  int64_t begin = 0;
  {
    base::MutexLock lock(mutex_);
    const Piece* piece = Find(object, offset, static_cast<int64_t>(out.size()));
    if (piece == nullptr) return false;
    bytes = piece->bytes;
    begin = offset - piece->offset;
  }
  std::memcpy(out.data(), bytes->data() + begin, out.size());
  return true;
}

void QueryMemory::AtEnd(std::function<void()> release) {
  base::MutexLock lock(mutex_);
  at_end_.push_back(std::move(release));
}

}  // namespace eider::cache
