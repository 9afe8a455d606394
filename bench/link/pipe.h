// One direction of a link, as arithmetic: when does a packet come out of it, or is it dropped?
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

namespace eider::bench {

struct PipeOptions {
  double rate_bytes_s = 0;  // 0: no limit
  int64_t delay_ns = 0;     // one way, after the last byte has left
  int64_t queue_bytes = 0;  // waiting at most; what comes past that is dropped (tail drop)
  bool on = true;           // false: cut, everything is dropped
};

struct PipeCounters {
  int64_t packets = 0;  // carried
  int64_t bytes = 0;
  int64_t dropped_full = 0;  // packets
  int64_t dropped_cut = 0;
};

// A queue, a wire of a given rate, and a way of a given length. Packets leave in the order in which
// they came, also across a change of the options. Not thread-safe. Times are of one clock, in ns.
class Pipe {
 public:
  const PipeOptions& options() const { return options_; }
  const PipeCounters& counters() const { return counters_; }

  // What waits keeps its bytes and moves on at the new rate; what has left the queue is on its way.
  void Set(const PipeOptions& options, int64_t now_ns) {
    const double waiting = Waiting(now_ns);
    options_ = options;
    free_ns_ = now_ns + SendTime(waiting);
  }

  // A packet that arrives now: when it is at the other end.
  std::optional<int64_t> Take(int64_t bytes, int64_t now_ns) {
    if (!options_.on) {
      ++counters_.dropped_cut;
      return std::nullopt;
    }
    const double waiting = Waiting(now_ns);
    if (options_.rate_bytes_s > 0 && waiting > 0 &&
        waiting + static_cast<double>(bytes) > static_cast<double>(options_.queue_bytes)) {
      ++counters_.dropped_full;
      return std::nullopt;
    }
    ++counters_.packets;
    counters_.bytes += bytes;
    free_ns_ = std::max(free_ns_, now_ns) + SendTime(static_cast<double>(bytes));
    last_out_ns_ = std::max(last_out_ns_, free_ns_ + options_.delay_ns);
    return last_out_ns_;
  }

 private:
  double Waiting(int64_t now_ns) const {
    return static_cast<double>(std::max<int64_t>(free_ns_ - now_ns, 0)) * options_.rate_bytes_s /
           1e9;
  }
  int64_t SendTime(double bytes) const {
    return options_.rate_bytes_s > 0 ? static_cast<int64_t>(bytes / options_.rate_bytes_s * 1e9)
                                     : 0;
  }

  PipeOptions options_;
  PipeCounters counters_;
  int64_t free_ns_ = 0;      // the wire has sent all that it was given
  int64_t last_out_ns_ = 0;  // nothing overtakes the packet before
};

}  // namespace eider::bench
