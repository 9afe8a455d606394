#include "cache/fake_blocks.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iterator>

namespace eider::cache {
namespace {

class FakeObject final : public Object {
 public:
  FakeObject(std::string url, store::Version version)
      : url_(std::move(url)), version_(std::move(version)) {}
  const std::string& url() const override { return url_; }
  const store::Version& version() const override { return version_; }

 private:
  const std::string url_;
  const store::Version version_;
};

std::chrono::steady_clock::time_point Patience() {
  return std::chrono::steady_clock::now() + std::chrono::seconds(120);
}

}  // namespace

ObjectPtr FakeBlocks::Intern(const std::string& url, const store::Version& version) {
  base::MutexLock lock(mutex_);
  ObjectPtr& object = objects_[{url, version.etag, version.size,
                                version.etag.empty() ? version.last_modified_ms : 0}];
  if (object == nullptr) object = std::make_shared<FakeObject>(url, version);
  return object;
}

ObjectPtr FakeBlocks::Find(const std::string& url) const {
  base::MutexLock lock(mutex_);
  const auto found = last_.find(url);
  return found == last_.end() ? nullptr : found->second;
}

uint64_t FakeBlocks::Pages(const Object& object, int64_t block) {
  base::MutexLock lock(mutex_);
  ++pages_calls_;
  uint64_t mask = 0;
  const int64_t base = block * kPagesPerBlock;
  for (auto at = pages_.lower_bound({&object, base});
       at != pages_.end() && at->first < Page(&object, base + kPagesPerBlock); ++at) {
    mask |= uint64_t{1} << (at->first.second - base);
  }
  return mask;
}

bool FakeBlocks::Read(const Object& object, int64_t offset, std::span<uint8_t> out) {
  base::MutexLock lock(mutex_);
  ++read_calls_;
  const int64_t end = offset + static_cast<int64_t>(out.size());
  if (out.empty() || offset / kBlockBytes != (end - 1) / kBlockBytes) {
    complaints_.push_back("a read that is empty or crosses blocks");
  }
  for (int64_t at = offset; at < end;) {
    const int64_t page = at / kPageBytes;
    const auto found = pages_.find({&object, page});
    if (found == pages_.end()) return false;
    const int64_t next = std::min(end, (page + 1) * kPageBytes);
    std::memcpy(out.data() + (at - offset), found->second.data() + (at - page * kPageBytes),
                static_cast<size_t>(next - at));
    at = next;
  }
  return true;
}

void FakeBlocks::Write(const Object& object, int64_t offset, std::span<const uint8_t> bytes) {
  base::MutexLock lock(mutex_);
  ++writes_;
  ++held_writes_;
  changed_.NotifyAll();
  while (hold_) changed_.Wait(mutex_);
  --held_writes_;
  if (writes_left_ == 0) return;
  --writes_left_;
  const int64_t end = offset + static_cast<int64_t>(bytes.size());
  const bool aligned =
      offset % kPageBytes == 0 && (end % kPageBytes == 0 || end == object.version().size);
  if (!aligned || bytes.empty() || offset / kBlockBytes != (end - 1) / kBlockBytes) {
    complaints_.push_back("a write of no whole pages of one block");
  }
  for (const ObjectPtr& dropped : dropped_) {
    if (dropped.get() == &object) return;
  }
  for (int64_t at = offset; at < end; at += kPageBytes) {
    const int64_t length = std::min(kPageBytes, end - at);
    const Page page{&object, at / kPageBytes};
    if (pages_.contains(page)) continue;
    pages_[page] = std::string(reinterpret_cast<const char*>(bytes.data()) + (at - offset),
                               static_cast<size_t>(length));
    order_.push_back(page);
    Evict();
  }
  for (const auto& [identity, interned] : objects_) {
    if (interned.get() == &object) last_[object.url()] = interned;
  }
  changed_.NotifyAll();
}

void FakeBlocks::Evict() {
  while (static_cast<int64_t>(pages_.size()) * kPageBytes > budget_bytes_) {
    const size_t victim = std::uniform_int_distribution<size_t>(0, order_.size() - 1)(random_);
    pages_.erase(order_[victim]);
    std::swap(order_[victim], order_.back());
    order_.pop_back();
    ++evictions_;
  }
}

void FakeBlocks::Erase(const std::function<bool(const Object&)>& which) {
  const auto is_its = [&](const Page& page) { return which(*page.first); };
  std::erase_if(pages_, [&](const auto& entry) { return is_its(entry.first); });
  std::erase_if(order_, is_its);
  std::erase_if(last_, [&](const auto& entry) { return which(*entry.second); });
}

void FakeBlocks::DropForGood(const std::function<bool(const std::string&)>& which) {
  base::MutexLock lock(mutex_);
  Erase([&](const Object& object) { return which(object.url()); });
  for (auto at = objects_.begin(); at != objects_.end();) {
    const bool gone = which(at->second->url());
    if (gone) dropped_.insert(at->second);
    at = gone ? objects_.erase(at) : std::next(at);
  }
}

void FakeBlocks::Drop(const Object& object) {
  base::MutexLock lock(mutex_);
  Erase([&](const Object& other) { return &other == &object; });
}

void FakeBlocks::DropUrl(const std::string& url) {
  DropForGood([&](const std::string& other) { return other == url; });
}

void FakeBlocks::DropPrefix(const std::string& prefix) {
  DropForGood([&](const std::string& other) { return other.starts_with(prefix); });
}

void FakeBlocks::Clear() {
  base::MutexLock lock(mutex_);
  pages_.clear();
  order_.clear();
  last_.clear();
}

BlockCacheStats FakeBlocks::stats() const {
  base::MutexLock lock(mutex_);
  BlockCacheStats stats;
  stats.budget_bytes = budget_bytes_;
  stats.used_bytes = static_cast<int64_t>(pages_.size()) * kPageBytes;
  stats.evictions = evictions_;
  if (writes_left_ == 0) stats.disabled_why = "the disk is full";
  return stats;
}

void FakeBlocks::HoldWrites(bool hold) {
  base::MutexLock lock(mutex_);
  hold_ = hold;
  changed_.NotifyAll();
}

bool FakeBlocks::AwaitHeldWrite() {
  const auto deadline = Patience();
  base::MutexLock lock(mutex_);
  while (held_writes_ == 0) {
    if (!changed_.WaitUntil(mutex_, deadline)) return false;
  }
  return true;
}

bool FakeBlocks::AwaitWrites(int count) {
  const auto deadline = Patience();
  base::MutexLock lock(mutex_);
  while (writes_ < count) {
    if (!changed_.WaitUntil(mutex_, deadline)) return false;
  }
  return true;
}

void FakeBlocks::Disable(int after_writes) {
  base::MutexLock lock(mutex_);
  writes_left_ = after_writes;
}

bool FakeBlocks::AwaitPages(size_t count) {
  const auto deadline = Patience();
  base::MutexLock lock(mutex_);
  while (pages_.size() < count) {
    if (!changed_.WaitUntil(mutex_, deadline)) return false;
  }
  return true;
}

size_t FakeBlocks::pages() const {
  base::MutexLock lock(mutex_);
  return pages_.size();
}

int FakeBlocks::pages_calls() const {
  base::MutexLock lock(mutex_);
  return pages_calls_;
}

int FakeBlocks::read_calls() const {
  base::MutexLock lock(mutex_);
  return read_calls_;
}

void FakeBlocks::ForgetCalls() {
  base::MutexLock lock(mutex_);
  pages_calls_ = 0;
  read_calls_ = 0;
}

std::vector<std::string> FakeBlocks::complaints() const {
  base::MutexLock lock(mutex_);
  return complaints_;
}

}  // namespace eider::cache
