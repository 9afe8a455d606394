#include "cache/page_writer.h"

#include <algorithm>
#include <utility>

#include "config/limits.h"

namespace eider::cache {

void WritePages(BlockCache& blocks, const Object& object, int64_t offset,
                std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const int64_t to_block_end = kBlockBytes - offset % kBlockBytes;
    const auto take = std::min<size_t>(bytes.size(), static_cast<size_t>(to_block_end));
    blocks.Write(object, offset, bytes.first(take));
    bytes = bytes.subspan(take);
    offset += static_cast<int64_t>(take);
  }
}

PageWriter::PageWriter(BlockCache& blocks, std::function<void(const FlightPtr&)> written)
    : blocks_(blocks), written_(std::move(written)), thread_([this] { Run(); }) {}

PageWriter::~PageWriter() {
  {
    base::MutexLock lock(mutex_);
    stopped_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

bool PageWriter::Queue(FlightPtr flight) {
  base::MutexLock lock(mutex_);
  if (stopped_ || queued_bytes_ + flight->length > config::kMaxUnwrittenBytes) return false;
  queued_bytes_ += flight->length;
  queue_.push_back(std::move(flight));
  changed_.NotifyOne();
  return true;
}

void PageWriter::Run() {
  while (true) {
    FlightPtr flight;
    {
      base::MutexLock lock(mutex_);
      while (!stopped_ && queue_.empty()) changed_.Wait(mutex_);
      if (stopped_) return;
      flight = std::move(queue_.front());
      queue_.pop_front();
    }
    const auto result = flight->result();
    if (!flight->spoilt() && result && result->ok()) {
      const arrow::Buffer& bytes = *(*result)->bytes;
      WritePages(blocks_, *flight->object, flight->offset,
                 {bytes.data(), static_cast<size_t>(bytes.size())});
    }
    written_(flight);
    base::MutexLock lock(mutex_);
    queued_bytes_ -= flight->length;
  }
}

}  // namespace eider::cache
