// Which workers a key belongs to: weighted rendezvous (highest random weight) hashing.
//
// Each worker has a score for each key, and the order of the scores is the key's rank order. A
// worker that comes or goes moves only the keys that it wins or held, and a worker owns a share of
// the keys in proportion to its weight. Nothing is stored; the same on every machine.
#pragma once

#include <string_view>
#include <vector>

namespace eider::schedule {

struct Candidate {
  std::string_view worker_id;
  double weight = 1;  // its slots; above 0
};

// The workers' ids, rank 0 (the owner) first. The views are those of `workers`. O(n log n).
std::vector<std::string_view> Rank(std::string_view key, const std::vector<Candidate>& workers);

}  // namespace eider::schedule
