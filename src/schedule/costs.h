// What tasks are expected to take, learned from those that have finished; which keys are hot.
//
// A key's cost is a moving average over its tasks; of a key that is not known, the average over all
// tasks; 1 ms while nothing has finished. What it costs to run away from the cache that has the
// key's file is measured where a key ran both at home and away, and guessed by size where not.
// Pure: no clock. O(1) a call. Not thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>

namespace eider::schedule {

inline constexpr int64_t kUnknownCostUs = 1'000;

class Costs {
 public:
  struct Options {
    int64_t steal_after_us = 10'000;  // until it has been measured
    int64_t max_steal_after_us = 1'000'000;
    int max_keys = 100'000;  // past it the one that was used least recently is forgotten
  };
  explicit Costs(const Options& options) : options_(options) {}

  // How long a task of this key is expected to run; no key: one of those without.
  int64_t CostUs(const std::optional<std::string>& key) const;
  // How long a task of this key may wait before running it away from its home is the better deal:
  // what that costs more.
  int64_t StealAfterUs(const std::optional<std::string>& key) const;
  // After how long a task of this key is late, wherever it runs: twice what it takes away from its
  // home; where that is not known, what its own runs or tasks on the average take, what is more. A
  // slow home does not weigh much in that, for what is late there moves. None: nothing has
  // finished.
  std::optional<int64_t> LateUs(const std::optional<std::string>& key) const;
  // A task has finished: at a home of its key or not, having asked for so many bytes.
  void NoteRun(const std::optional<std::string>& key, bool home, int64_t run_us, int64_t bytes);

  // A task of this key was claimed: by home number `home` of the `homes` that the key has, or away
  // from them. A key whose tasks keep running away from the homes that it has gets more of them, up
  // to `most`; one that has not used its last home for kCoolMs loses half of those above `least`.
  void NoteClaim(const std::string& key, std::optional<int> home, int homes, int most,
                 int64_t now_ms);
  // How many homes the key has, at least `least`.
  int Homes(const std::string& key, int least, int64_t now_ms) const;

  bool any_known() const { return runs_ > 0; }
  int64_t hot_keys() const { return hot_keys_; }  // with more homes, when they were last claimed

  // More homes are earned by so many tasks away, old ones counting less, and of so large a part of
  // the key's tasks: a few run away from any home that has much to do.
  static constexpr double kAway = 3.5;
  static constexpr double kAwayShare = 0.25;
  static constexpr int64_t kHalfLifeMs = 30'000;
  static constexpr int64_t kCoolMs = 60'000;

 private:
  struct Known {
    std::string key;
    int64_t runs = 0;
    double cost_us = 0;
    // At home, past the first run, which filled the cache; and elsewhere.
    int64_t home_runs = 0;
    int64_t away_runs = 0;
    double home_us = 0;
    double away_us = 0;
    double bytes = 0;
    // Claims, and those away from all homes, each counting for half after a half-life.
    double claims = 0;
    double away = 0;
    int64_t claimed_ms = 0;
    int more_homes = 0;             // than the least
    int64_t last_home_used_ms = 0;  // the last of them
  };

  const Known* Find(const std::optional<std::string>& key) const;
  Known& Get(const std::optional<std::string>& key);
  static int MoreHomes(const Known& known, int64_t now_ms);

  const Options options_;
  std::list<Known> recent_;  // the most recently used first
  std::unordered_map<std::string, std::list<Known>::iterator> by_key_;
  int64_t runs_ = 0;
  double mean_us_ = 0;
  double typical_us_ = 0;  // the mean of more of them
  // Over the tasks that ran away: what it cost, and what they asked for.
  int64_t losses_ = 0;
  double loss_us_ = 0;
  double loss_bytes_ = 0;
  int64_t hot_keys_ = 0;
};

}  // namespace eider::schedule
