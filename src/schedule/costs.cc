#include "schedule/costs.h"

#include <algorithm>
#include <cmath>

namespace eider::schedule {
namespace {

// A moving average that begins as a plain one: `count` has this value in it.
constexpr int64_t kMemory = 8;
constexpr int64_t kLongMemory = 64;
void Average(double& mean, int64_t count, double value, int64_t memory = kMemory) {
  mean += (value - mean) / static_cast<double>(std::min(count, memory));
}

// What a size may do to a guess: averages are rough.
constexpr double kMaxSizeFactor = 8;

// How many times what was expected is late, and what is late at the earliest.
constexpr double kLateFactor = 2;
constexpr int64_t kMinLateUs = 250'000;

// Tasks without a key are remembered together; no URL is empty.
const std::string kNoKey;

}  // namespace

const Costs::Known* Costs::Find(const std::optional<std::string>& key) const {
  const auto at = by_key_.find(key ? *key : kNoKey);
  return at == by_key_.end() ? nullptr : &*at->second;
}

Costs::Known& Costs::Get(const std::optional<std::string>& key) {
  const std::string& name = key ? *key : kNoKey;
  if (const auto at = by_key_.find(name); at != by_key_.end()) {
    recent_.splice(recent_.begin(), recent_, at->second);
    return recent_.front();
  }
  if (std::ssize(by_key_) >= options_.max_keys) {
    hot_keys_ -= recent_.back().more_homes > 0 ? 1 : 0;
    by_key_.erase(recent_.back().key);
    recent_.pop_back();
  }
  recent_.push_front({.key = name});
  by_key_[name] = recent_.begin();
  return recent_.front();
}

int64_t Costs::CostUs(const std::optional<std::string>& key) const {
  const Known* known = Find(key);
  if (known != nullptr && known->runs > 0)
    return std::max<int64_t>(1, std::llround(known->cost_us));
  if (runs_ > 0) return std::max<int64_t>(1, std::llround(mean_us_));
  return kUnknownCostUs;
}

int64_t Costs::StealAfterUs(const std::optional<std::string>& key) const {
  const Known* known = Find(key);
  double loss_us = static_cast<double>(options_.steal_after_us);
  if (known != nullptr && known->home_runs > 1 && known->away_runs > 0) {
    loss_us = known->away_us - known->home_us;
  } else if (losses_ > 0) {
    const bool sized = known != nullptr && known->bytes > 0 && loss_bytes_ > 0;
    const double factor = sized ? known->bytes / loss_bytes_ : 1;
    loss_us = loss_us_ * std::clamp(factor, 1 / kMaxSizeFactor, kMaxSizeFactor);
  }
  const int64_t most = options_.max_steal_after_us;
  return std::clamp<int64_t>(std::llround(std::min(loss_us, static_cast<double>(most))), 0, most);
}

std::optional<int64_t> Costs::LateUs(const std::optional<std::string>& key) const {
  if (runs_ == 0) return std::nullopt;
  const Known* known = Find(key);
  double expected_us = typical_us_;
  if (known != nullptr && known->away_runs > 0) {
    expected_us = known->away_us;
  } else if (known != nullptr && known->runs > 0) {
    expected_us = std::max(expected_us, known->cost_us);
  }
  const double loss_us = static_cast<double>(StealAfterUs(key));
  return std::max<int64_t>(kMinLateUs, std::llround(kLateFactor * (expected_us + loss_us)));
}

void Costs::NoteRun(const std::optional<std::string>& key, bool home, int64_t run_us,
                    int64_t bytes) {
  const double run = static_cast<double>(run_us);
  Average(mean_us_, ++runs_, run);
  Average(typical_us_, runs_, run, kLongMemory);
  Known& known = Get(key);
  Average(known.cost_us, ++known.runs, run);
  Average(known.bytes, known.runs, static_cast<double>(bytes));
  if (!key) return;
  if (home) {
    // The first run filled the cache: it tells nothing of what the cache saves.
    if (++known.home_runs > 1) Average(known.home_us, known.home_runs - 1, run);
    return;
  }
  Average(known.away_us, ++known.away_runs, run);
  if (known.home_runs <= 1) return;
  Average(loss_us_, ++losses_, std::max(0.0, run - known.home_us));
  Average(loss_bytes_, losses_, static_cast<double>(bytes));
}

int Costs::MoreHomes(const Known& known, int64_t now_ms) {
  const int64_t halvings = (now_ms - known.last_home_used_ms) / kCoolMs;
  return halvings < 31 ? known.more_homes >> halvings : 0;
}

void Costs::NoteClaim(const std::string& key, std::optional<int> home, int homes, int most,
                      int64_t now_ms) {
  Known& known = Get(key);
  const int before = known.more_homes;
  if (const int left = MoreHomes(known, now_ms); left < before) {
    known.more_homes = left;
    known.last_home_used_ms = now_ms;
  }
  const double faded = std::exp2(static_cast<double>(known.claimed_ms - now_ms) / kHalfLifeMs);
  known.claims = known.claims * faded + 1;
  known.away = known.away * faded + (home ? 0 : 1);
  known.claimed_ms = now_ms;
  if (home && *home == homes - 1) known.last_home_used_ms = now_ms;
  if (known.away >= kAway && known.away >= kAwayShare * known.claims && homes < most) {
    // By halves, so that a key that needs many has them soon.
    known.more_homes += std::min(most - homes, std::max(1, homes / 2));
    known.last_home_used_ms = now_ms;
    known.claims = known.away = 0;
  }
  hot_keys_ += (known.more_homes > 0 ? 1 : 0) - (before > 0 ? 1 : 0);
}

int Costs::Homes(const std::string& key, int least, int64_t now_ms) const {
  const Known* known = Find(key);
  return least + (known == nullptr ? 0 : MoreHomes(*known, now_ms));
}

}  // namespace eider::schedule
