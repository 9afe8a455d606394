// What one query remembers of its reads until it ends.
#pragma once

#include <arrow/buffer.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "cache/reader.h"

namespace eider::cache {

// The versions that the query has seen, the lists it was given and, where nothing may be kept on
// disk, the bytes it has fetched: of those the oldest go when there are too many. Thread-safe.
class QueryMemory {
 public:
  explicit QueryMemory(int64_t budget_bytes) : budget_bytes_(budget_bytes) {}
  // Runs what AtEnd() was given.
  ~QueryMemory();

  ObjectPtr Pinned(const std::string& url) const;
  // The first version that is pinned for a URL stays: that one, and whether it is this one.
  std::pair<ObjectPtr, bool> Pin(const std::string& url, ObjectPtr object);
  // True for the first caller with this URL.
  bool BeginRefresh(const std::string& url);
  // When the query began.
  std::chrono::steady_clock::time_point begun_at() const { return begun_at_; }

  std::shared_ptr<const Reader::Listing> Listed(const std::string& key) const;
  void List(const std::string& key, std::shared_ptr<const Reader::Listing> listing);

  // Keeps `bytes` of `object` from `offset` on.
  void Keep(const ObjectPtr& object, int64_t offset, std::shared_ptr<arrow::Buffer> bytes);
  // Whether [offset, offset + length) is here, in one piece.
  bool Has(const Object& object, int64_t offset, int64_t length) const;
  // Copies it; false where it is not here.
  bool Read(const Object& object, int64_t offset, std::span<uint8_t> out) const;

  // To be run when the query ends.
  void AtEnd(std::function<void()> release);

 private:
  struct Piece {
    ObjectPtr object;
    int64_t offset = 0;
    std::shared_ptr<arrow::Buffer> bytes;
    int64_t end() const { return offset + bytes->size(); }
  };
  using Place = std::pair<const Object*, int64_t>;  // and the offset

  const Piece* Find(const Object& object, int64_t offset, int64_t length) const
      EIDER_REQUIRES(mutex_);

  const int64_t budget_bytes_;
  const std::chrono::steady_clock::time_point begun_at_ = std::chrono::steady_clock::now();

  mutable base::Mutex mutex_;
  std::unordered_map<std::string, ObjectPtr> pinned_ EIDER_GUARDED_BY(mutex_);
  std::unordered_map<std::string, bool> refreshed_ EIDER_GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::shared_ptr<const Reader::Listing>> lists_
      EIDER_GUARDED_BY(mutex_);
  std::map<Place, Piece> pieces_ EIDER_GUARDED_BY(mutex_);
  std::deque<Place> age_ EIDER_GUARDED_BY(mutex_);  // of pieces_, the oldest first
  int64_t bytes_ EIDER_GUARDED_BY(mutex_) = 0;      // of pieces_
  std::vector<std::function<void()>> at_end_ EIDER_GUARDED_BY(mutex_);
};

}  // namespace eider::cache
