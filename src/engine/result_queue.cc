#include "engine/result_queue.h"

#include <limits>
#include <utility>

namespace eider::engine {

void ResultQueue::Advance(uint64_t lowest) {
  std::vector<Wake> woken;
  {
    base::MutexLock lock(mutex_);
    if (lowest <= lowest_) return;
    lowest_ = lowest;
    // The lowest itself is still being made: what there is of it comes first of what will be.
    while (!ahead_.empty() && IsTurn(ahead_.begin()->first)) {
      MoveReady(&ahead_.begin()->second);
      ahead_.erase(ahead_.begin());
    }
    woken = TakeWoken();
  }
  for (const Wake& wake : woken) wake();
}

void ResultQueue::Finish() { Advance(std::numeric_limits<uint64_t>::max()); }

void ResultQueue::MoveReady(std::deque<ResultPiece>* pieces) {
  for (ResultPiece& piece : *pieces) {
    ahead_bytes_ -= piece.bytes;
    ready_bytes_ += piece.bytes;
    ready_.push_back(std::move(piece));
  }
  pushed_.NotifyAll();
}

ResultQueue::Room ResultQueue::Reserve(uint64_t batch, int64_t bytes, Wake wake) {
  base::MutexLock lock(mutex_);
  const bool in_turn = IsTurn(batch);
  // What is ahead of its turn waits for what is ready too: it would be ready once its turn comes.
  if (ready_bytes_ >= kMaxBytes || (!in_turn && ahead_bytes_ >= kMaxBytes)) {
    waiting_.push_back({batch, std::move(wake)});
    return Room::kNone;
  }
  (in_turn ? ready_bytes_ : ahead_bytes_) += bytes;
  return in_turn ? Room::kInTurn : Room::kAhead;
}

void ResultQueue::Push(uint64_t batch, Room room, ResultPiece piece) {
  base::MutexLock lock(mutex_);
  if (!IsTurn(batch)) {
    ahead_[batch].push_back(std::move(piece));
    return;
  }
  if (room == Room::kAhead) {
    ahead_bytes_ -= piece.bytes;
    ready_bytes_ += piece.bytes;
  }
  ready_.push_back(std::move(piece));
  pushed_.NotifyAll();
}

std::optional<ResultPiece> ResultQueue::Take() {
  std::optional<ResultPiece> piece;
  std::vector<Wake> woken;
  {
    base::MutexLock lock(mutex_);
    if (ready_.empty()) return std::nullopt;
    piece = std::move(ready_.front());
    ready_.pop_front();
    ready_bytes_ -= piece->bytes;
    woken = TakeWoken();
  }
  for (const Wake& wake : woken) wake();
  return piece;
}

std::vector<ResultQueue::Wake> ResultQueue::TakeWoken() {
  std::vector<Wake> woken;
  // Not for every piece that is taken: a task that is woken should find room for several.
  constexpr int64_t kRoomy = kMaxBytes / 2;
  if (ready_bytes_ > kRoomy) return woken;
  std::erase_if(waiting_, [&](Waiting& waiting) EIDER_REQUIRES(mutex_) {
    if (!IsTurn(waiting.batch) && ahead_bytes_ > kRoomy) return false;
    woken.push_back(std::move(waiting.wake));
    return true;
  });
  return woken;
}

void ResultQueue::WaitUntil(TimePoint at) {
  base::MutexLock lock(mutex_);
  while (ready_.empty()) {
    if (!pushed_.WaitUntil(mutex_, at)) return;
  }
}

}  // namespace eider::engine
