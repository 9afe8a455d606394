#include "schedule/simulator_load.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "schedule/rendezvous.h"

namespace eider::schedule {

double SimulatorRandom::Uniform() { return (static_cast<double>(bits_() >> 11) + 0.5) * 0x1.0p-53; }

double SimulatorRandom::Exponential(double mean) { return -mean * std::log(Uniform()); }

double SimulatorRandom::Normal() {
  const double radius = std::sqrt(-2 * std::log(Uniform()));
  return radius * std::cos(2 * std::numbers::pi * Uniform());
}

SimulatorKeys::SimulatorKeys(const Load& load, SimulatorRandom& random) {
  double sum = 0;
  for (int key = 0; key < load.keys; ++key) {
    bytes_.push_back(load.median_bytes * std::exp(load.sigma * random.Normal()));
    all_bytes_ += bytes_.back();
    sum += std::pow(key + 1, -load.zipf);
    cumulative_.push_back(sum);
  }
  for (double& share : cumulative_) share /= sum;
}

int SimulatorKeys::Pick(SimulatorRandom& random) const {
  const auto at = std::lower_bound(cumulative_.begin(), cumulative_.end(), random.Uniform());
  return std::min(static_cast<int>(at - cumulative_.begin()), size() - 1);
}

double SimulatorKeys::Share(int key) const {
  return cumulative_[key] - (key == 0 ? 0 : cumulative_[key - 1]);
}

double CacheBytes(const Fleet& fleet, const SimulatorKeys& keys) {
  return fleet.cache_share * keys.all_bytes() / fleet.workers;
}

double ReadMs(const Fleet& fleet, double bytes, bool cached) {
  return cached ? bytes / fleet.local_bytes_per_ms
                : fleet.round_trip_ms + bytes / fleet.s3_bytes_per_ms;
}

namespace {

// A least-recently-used cache of all the fleet's bytes holds a key when it was asked for within the
// last so many tasks (Che's approximation).
double CacheMemory(double capacity_bytes, const SimulatorKeys& keys) {
  double low = 0;
  double high = 1;
  const auto held = [&keys](double memory) {
    double bytes = 0;
    for (int key = 0; key < keys.size(); ++key) {
      bytes -= keys.bytes(key) * std::expm1(-keys.Share(key) * memory);
    }
    return bytes;
  };
  while (held(high) < capacity_bytes && high < 1e12) high *= 2;
  for (int n = 0; n < 50; ++n) {
    const double middle = (low + high) / 2;
    (held(middle) < capacity_bytes ? low : high) = middle;
  }
  return high;
}

}  // namespace

double IdealServiceMs(const Fleet& fleet, const SimulatorKeys& keys) {
  const double memory = CacheMemory(fleet.cache_share * keys.all_bytes(), keys);
  double ms = fleet.claim_delay_ms + fleet.compute_ms;
  for (int key = 0; key < keys.size(); ++key) {
    const double hit = -std::expm1(-keys.Share(key) * memory);
    ms += keys.Share(key) * (hit * ReadMs(fleet, keys.bytes(key), true) +
                             (1 - hit) * ReadMs(fleet, keys.bytes(key), false));
  }
  return ms;
}

std::vector<int> Owners(const Fleet& fleet, int keys) {
  std::vector<Member> members;
  for (int worker = 0; worker < fleet.workers; ++worker) {
    members.push_back({.hash = HashOf(SimulatorWorkerId(worker))});
  }
  std::vector<double> scratch;
  std::vector<int> owners;
  for (int key = 0; key < keys; ++key) {
    Ranking ranking(SimulatorKeys::Name(key), members, /*uniform=*/true, scratch);
    owners.push_back(static_cast<int>(ranking.Next().value_or(0)));
  }
  return owners;
}

namespace {

// The first of each list is to be the most recently used.
std::vector<SimulatorCache> Fill(const Fleet& fleet, const SimulatorKeys& keys,
                                 const std::vector<std::vector<int>>& contents) {
  std::vector<SimulatorCache> caches;
  for (const std::vector<int>& content : contents) {
    SimulatorCache& cache = caches.emplace_back(CacheBytes(fleet, keys));
    for (auto key = content.rbegin(); key != content.rend(); ++key) {
      cache.Insert(*key, keys.bytes(*key), 0);
    }
  }
  return caches;
}

}  // namespace

std::vector<SimulatorCache> WarmByOwner(const Fleet& fleet, const SimulatorKeys& keys,
                                        const std::vector<int>& owners) {
  std::vector<std::vector<int>> contents(fleet.workers);
  std::vector<double> room(fleet.workers, CacheBytes(fleet, keys));
  for (int key = 0; key < keys.size(); ++key) {
    double& left = room[owners[key]];
    if (keys.bytes(key) > left) continue;
    left -= keys.bytes(key);
    contents[owners[key]].push_back(key);
  }
  return Fill(fleet, keys, contents);
}

std::vector<SimulatorCache> WarmAtRandom(const Fleet& fleet, const SimulatorKeys& keys,
                                         SimulatorRandom& random) {
  std::vector<std::vector<int>> contents(fleet.workers);
  for (std::vector<int>& content : contents) {
    double room = CacheBytes(fleet, keys);
    while (true) {
      const int key = keys.Pick(random);
      if (std::find(content.begin(), content.end(), key) != content.end()) continue;
      room -= keys.bytes(key);
      if (room < 0) break;
      content.push_back(key);
    }
  }
  return Fill(fleet, keys, contents);
}

double Duplicates(const std::vector<SimulatorCache>& caches, const SimulatorKeys& keys) {
  std::vector<bool> seen(keys.size());
  double all = 0;
  double again = 0;
  for (const SimulatorCache& cache : caches) {
    cache.ForEach([&](int key, double bytes) {
      all += bytes;
      if (seen[key]) again += bytes;
      seen[key] = true;
    });
  }
  return all > 0 ? again / all : 0;
}

}  // namespace eider::schedule
