#include "schedule/rendezvous.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cmath>

namespace eider::schedule {
namespace {

// How many ranks are found by looking through all scores, before they are sorted.
constexpr size_t kLinearRanks = 6;
// How many are sorted after these, and how many times as many when they do not do.
constexpr size_t kFirstSorted = 64;
constexpr size_t kSortedGrowth = 8;

// Uniform in (0, 1): of 53 bits, which are all that a double holds; the half keeps 0 and 1 out.
double Uniform(uint64_t key_hash, uint64_t worker_hash) {
  const uint64_t pair[2] = {key_hash, worker_hash};
  return (static_cast<double>(XXH3_64bits(pair, sizeof(pair)) >> 11) + 0.5) * 0x1.0p-53;
}

}  // namespace

uint64_t HashOf(std::string_view worker_id) {
  return XXH3_64bits(worker_id.data(), worker_id.size());
}

Ranking::Ranking(std::string_view key, const std::vector<Member>& members, bool uniform,
                 std::vector<double>& scratch)
    : members_(members), scores_(scratch) {
  const uint64_t key_hash = XXH3_64bits(key.data(), key.size());
  scores_.resize(members.size());
  for (size_t i = 0; i < members.size(); ++i) {
    const double u = Uniform(key_hash, members[i].hash);
    // -w / ln(u): the largest of these is worker i's with probability w_i / sum(w). It grows with
    // u, so that u itself will do where all weigh the same.
    scores_[i] = uniform ? u : -members[i].weight / std::log(u);
  }
}

bool Ranking::Before(size_t left, size_t right) const {
  if (scores_[left] != scores_[right]) return scores_[left] > scores_[right];
  return members_[left].hash < members_[right].hash;
}

std::optional<size_t> Ranking::Next() {
  if (named_ == members_.size()) return std::nullopt;
  if (named_ < kLinearRanks) {
    std::optional<size_t> best;
    for (size_t i = 0; i < scores_.size(); ++i) {
      if (best && scores_[i] < scores_[*best]) continue;
      if (last_ && !Before(*last_, i)) continue;
      if (!best || Before(i, *best)) best = i;
    }
    // Two members of one hash are told apart by nothing: the second is not named.
    if (!best) return std::nullopt;
    last_ = best;
    ++named_;
    return best;
  }
  if (named_ == kLinearRanks && rest_.empty()) {
    for (size_t i = 0; i < scores_.size(); ++i) {
      if (Before(*last_, i)) rest_.push_back(i);
    }
  }
  const size_t at = named_ - kLinearRanks;
  if (at >= rest_.size()) return std::nullopt;
  if (at >= sorted_) SortMore();
  ++named_;
  return rest_[at];
}

void Ranking::SortMore() {
  const auto before = [this](size_t left, size_t right) { return Before(left, right); };
  const auto from = rest_.begin() + static_cast<std::ptrdiff_t>(sorted_);
  sorted_ = std::min(rest_.size(), std::max(kFirstSorted, kSortedGrowth * sorted_));
  const auto to = rest_.begin() + static_cast<std::ptrdiff_t>(sorted_);
  if (to != rest_.end()) std::nth_element(from, to, rest_.end(), before);
  std::sort(from, to, before);
}

std::vector<std::string_view> Rank(std::string_view key, const std::vector<Candidate>& workers) {
  std::vector<Member> members;
  members.reserve(workers.size());
  for (const Candidate& worker : workers)
    members.push_back({HashOf(worker.worker_id), worker.weight});
  std::vector<double> scratch;
  Ranking ranking(key, members, /*uniform=*/false, scratch);
  std::vector<std::string_view> order;
  order.reserve(workers.size());
  while (const auto next = ranking.Next()) order.push_back(workers[*next].worker_id);
  return order;
}

}  // namespace eider::schedule
