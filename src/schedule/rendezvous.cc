#include "schedule/rendezvous.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

namespace eider::schedule {
namespace {

// -w / ln(h) with h uniform in (0, 1): the largest of these is worker i's with probability
// w_i / sum(w).
double Score(std::string_view key, const Candidate& worker) {
  const uint64_t seed = XXH3_64bits(worker.worker_id.data(), worker.worker_id.size());
  const uint64_t hash = XXH3_64bits_withSeed(key.data(), key.size(), seed);
  // 53 bits are all that a double holds; the half keeps 0 and 1 out.
  const double uniform = (static_cast<double>(hash >> 11) + 0.5) * 0x1.0p-53;
  return -worker.weight / std::log(uniform);
}

}  // namespace

std::vector<std::string_view> Rank(std::string_view key, const std::vector<Candidate>& workers) {
  std::vector<std::pair<double, std::string_view>> scores;
  scores.reserve(workers.size());
  for (const Candidate& worker : workers)
    scores.emplace_back(-Score(key, worker), worker.worker_id);
  std::sort(scores.begin(), scores.end());
  std::vector<std::string_view> order;
  order.reserve(scores.size());
  for (const auto& [score, worker_id] : scores) order.push_back(worker_id);
  return order;
}

}  // namespace eider::schedule
