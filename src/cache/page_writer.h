// Writes fetched pages to the block cache behind the readers' backs.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <thread>

#include "base/mutex.h"
#include "cache/block_cache.h"
#include "cache/flight.h"

namespace eider::cache {

// One thread of its own. Thread-safe.
class PageWriter {
 public:
  // `written` hears of each flight once its pages are written, or were not kept.
  PageWriter(BlockCache& blocks, std::function<void(const FlightPtr&)> written);
  ~PageWriter();  // drops what is queued

  // Takes a flight that has ended well. False, and it takes nothing, where too much waits already.
  bool Queue(FlightPtr flight);

 private:
  void Run();

  BlockCache& blocks_;
  const std::function<void(const FlightPtr&)> written_;

  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<FlightPtr> queue_ EIDER_GUARDED_BY(mutex_);
  int64_t queued_bytes_ EIDER_GUARDED_BY(mutex_) = 0;
  bool stopped_ EIDER_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// Writes `bytes`, whole pages from the page-aligned `offset` on, block by block.
void WritePages(BlockCache& blocks, const Object& object, int64_t offset,
                std::span<const uint8_t> bytes);

}  // namespace eider::cache
