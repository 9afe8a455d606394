// What the simulator's clients ask for: keys with sizes and a popularity, and the caches that such
// a load would have left behind.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "schedule/simulator.h"
#include "schedule/simulator_cache.h"

namespace eider::schedule {

// The same numbers on every machine, which the distributions of <random> do not promise.
class SimulatorRandom {
 public:
  explicit SimulatorRandom(uint64_t seed) : bits_(seed) {}
  double Uniform();  // in (0, 1)
  double Exponential(double mean);
  double Normal();
  int Below(int limit) { return static_cast<int>(Uniform() * limit); }

 private:
  std::mt19937_64 bits_;
};

// Key 0 is the most popular one.
class SimulatorKeys {
 public:
  SimulatorKeys(const Load& load, SimulatorRandom& random);

  int Pick(SimulatorRandom& random) const;
  double bytes(int key) const { return bytes_[key]; }
  double all_bytes() const { return all_bytes_; }
  int size() const { return static_cast<int>(bytes_.size()); }
  double Share(int key) const;  // of all tasks
  static std::string Name(int key) { return "s3://bucket/" + std::to_string(key); }

 private:
  std::vector<double> bytes_;
  std::vector<double> cumulative_;  // popularity, up to 1
  double all_bytes_ = 0;
};

inline std::string SimulatorWorkerId(int worker) { return "w" + std::to_string(worker); }

double CacheBytes(const Fleet& fleet, const SimulatorKeys& keys);  // of one worker
// What a task takes of its slot beyond its computing.
double ReadMs(const Fleet& fleet, double bytes, bool cached);
// What a task takes on the average where the fleet's caches work as one.
double IdealServiceMs(const Fleet& fleet, const SimulatorKeys& keys);

// Every worker has the most popular of the keys that it owns.
std::vector<SimulatorCache> WarmByOwner(const Fleet& fleet, const SimulatorKeys& keys,
                                        const std::vector<int>& owners);
// Every worker has what tasks of any key that came its way have left there.
std::vector<SimulatorCache> WarmAtRandom(const Fleet& fleet, const SimulatorKeys& keys,
                                         SimulatorRandom& random);
// The share of cached bytes that another worker has cached as well.
double Duplicates(const std::vector<SimulatorCache>& caches, const SimulatorKeys& keys);

}  // namespace eider::schedule
