// The rows of a running query between DuckDB's tasks, which make them, and whoever takes them: in
// order, and bounded by bytes. DuckDB's own streaming result is neither bounded by what its strings
// hold nor, where each of its batches is one chunk, bounded at all: a chunk that was made ahead of
// its turn counts nothing any more once its turn has come.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/mutex.h"
#include "duckdb/common/types/data_chunk.hpp"
#include "duckdb/common/unique_ptr.hpp"

namespace eider::engine {

struct ResultPiece {
  duckdb::unique_ptr<duckdb::DataChunk> chunk;
  std::vector<int64_t> row_bytes = {};  // see RowBytes::Variable()
  int64_t bytes = 0;                    // of all its rows, and what holds them
};

// A query's rows come in batches, numbered in the order of the result; a task makes one batch after
// the other, and no other task the same at that time. All batches below the lowest under way are
// whole. Where order does not count everything is batch 0. Thread-safe.
class ResultQueue {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Wake = std::function<void()>;

  // Of what can be taken, and the same of what was made ahead of its turn; each and a piece more,
  // as a piece is not refused for its own size.
  static constexpr int64_t kMaxBytes = 4 << 20;

  // The lowest batch under way is this or, as such news may be late, a higher one.
  void Advance(uint64_t lowest);
  // No batch is under way any more.
  void Finish();

  enum class Room { kNone, kInTurn, kAhead };
  // Keeps room for a piece of the batch, which is then to be pushed. Where there is none, `wake` is
  // called once, from any thread, when it is worth asking again.
  Room Reserve(uint64_t batch, int64_t bytes, Wake wake);
  // REQUIRES: `room`, which is not kNone, was kept for piece.bytes of the batch.
  void Push(uint64_t batch, Room room, ResultPiece piece);

  // The next in order; none where it has not been made.
  std::optional<ResultPiece> Take();
  // Until there is something to take, or until then.
  void WaitUntil(TimePoint at);

 private:
  struct Waiting {
    uint64_t batch;
    Wake wake;
  };

  bool IsTurn(uint64_t batch) const EIDER_REQUIRES(mutex_) { return batch <= lowest_; }
  void MoveReady(std::deque<ResultPiece>* pieces) EIDER_REQUIRES(mutex_);
  // Takes from waiting_ who is to be woken once the lock is given back.
  std::vector<Wake> TakeWoken() EIDER_REQUIRES(mutex_);

  base::Mutex mutex_;
  base::CondVar pushed_;
  uint64_t lowest_ EIDER_GUARDED_BY(mutex_) = 0;
  std::deque<ResultPiece> ready_ EIDER_GUARDED_BY(mutex_);
  std::map<uint64_t, std::deque<ResultPiece>> ahead_ EIDER_GUARDED_BY(mutex_);
  // Of the pieces held, and of the room kept.
  int64_t ready_bytes_ EIDER_GUARDED_BY(mutex_) = 0;
  int64_t ahead_bytes_ EIDER_GUARDED_BY(mutex_) = 0;
  std::vector<Waiting> waiting_ EIDER_GUARDED_BY(mutex_);
};

}  // namespace eider::engine
