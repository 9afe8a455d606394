// Which workers a key belongs to: weighted rendezvous (highest random weight) hashing, after Thaler
// and Ravishankar; the weights as in Schindelhauer and Schomaker's logarithmic method.
//
// Each worker has a score for each key, and the order of the scores is the key's rank order. A
// worker that comes or goes moves only the keys that it wins or held, and a worker owns a share of
// the keys in proportion to its weight. Nothing is stored; the same on every machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace eider::schedule {

// A worker as keys see it.
struct Member {
  uint64_t hash = 0;  // HashOf its id
  double weight = 1;  // its slots; above 0
};

uint64_t HashOf(std::string_view worker_id);

// The ranks of one key over `members`, from rank 0 on. To ask for the first few costs O(n) each,
// for all of them O(n log n). Not thread-safe.
class Ranking {
 public:
  // `uniform`: all members weigh the same, which saves a logarithm each. `members` must stay as it
  // is while the ranking is in use; `scratch` is memory to work in.
  Ranking(std::string_view key, const std::vector<Member>& members, bool uniform,
          std::vector<double>& scratch);
  // The index in `members` of the next in rank; none when all have been named.
  std::optional<size_t> Next();

 private:
  bool Before(size_t left, size_t right) const;
  void SortMore();

  const std::vector<Member>& members_;
  std::vector<double>& scores_;
  std::optional<size_t> last_;
  size_t named_ = 0;
  std::vector<size_t> rest_;  // what is left; the first `sorted_` in order, before all others
  size_t sorted_ = 0;
};

struct Candidate {
  std::string_view worker_id;
  double weight = 1;
};

// The workers' ids, rank 0 (the owner) first. The views are those of `workers`. O(n log n).
std::vector<std::string_view> Rank(std::string_view key, const std::vector<Candidate>& workers);

}  // namespace eider::schedule
