#include "cache/eviction.h"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <functional>
#include <list>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

namespace eider::cache {
namespace {

// A cache that keeps keys; each read of a key is made in `pieces` uses.
class S3FifoCache {
 public:
  S3FifoCache(int64_t capacity, int64_t window) : capacity_(capacity), clock_(window) {}

  bool Read(uint64_t key, int64_t weight = 1, int pieces = 1) {
    const auto it = here_.find(key);
    const bool hit = it != here_.end();
    S3Fifo::Entry* entry = nullptr;
    if (hit) {
      entry = it->second;
    } else {
      while (used_ + weight > capacity_) {
        S3Fifo::Entry* victim = policy_.Evict();
        used_ -= victim->weight_bytes();
        here_.erase(victim->key());
      }
      entry = &entries_.emplace_back();
      policy_.Insert(*entry, key, weight);
      used_ += weight;
      here_[key] = entry;
    }
    for (int i = hit ? 0 : 1; i < pieces; ++i) entry->Use(clock_);
    return hit;
  }
  int64_t used() const { return used_; }
  const S3Fifo& policy() const { return policy_; }

 private:
  const int64_t capacity_;
  InsertionClock clock_;
  S3Fifo policy_{capacity_, clock_};
  std::deque<S3Fifo::Entry> entries_;
  std::unordered_map<uint64_t, S3Fifo::Entry*> here_;
  int64_t used_ = 0;
};

// LRU, or FIFO where reads do not move a key.
class ListCache {
 public:
  ListCache(size_t capacity, bool lru) : capacity_(capacity), lru_(lru) {}
  bool Read(uint64_t key) {
    if (const auto it = here_.find(key); it != here_.end()) {
      if (lru_) keys_.splice(keys_.begin(), keys_, it->second);
      return true;
    }
    if (here_.size() == capacity_) {
      here_.erase(keys_.back());
      keys_.pop_back();
    }
    keys_.push_front(key);
    here_[key] = keys_.begin();
    return false;
  }

 private:
  const size_t capacity_;
  const bool lru_;
  std::list<uint64_t> keys_;
  std::unordered_map<uint64_t, std::list<uint64_t>::iterator> here_;
};

// Reads of 1,000 keys, skewed, with scans of 2,000 cold keys in between; the ratio of hits among
// the skewed ones.
double HitRatio(const std::function<bool(uint64_t)>& read) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> uniform(0, 1);
  uint64_t cold = 1'000'000;
  int hits = 0;
  int reads = 0;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 5'000; ++i) {
      const auto key = static_cast<uint64_t>(1'000 * std::pow(uniform(random), 3));
      hits += read(key);
      ++reads;
    }
    for (int i = 0; i < 2'000; ++i) read(cold++);
  }
  return double(hits) / reads;
}

TEST(Eviction, AScanDoesNotFlushWhatIsHot) {
  for (const int pieces : {1, 10}) {
    S3FifoCache cache(100, S3Fifo::WindowBytes(100));
    // The hot set proves itself: read again after others came.
    for (int round = 0; round < 20; ++round) {
      for (uint64_t key = 0; key < 50; ++key) cache.Read(key, 1, pieces);
    }
    for (uint64_t key = 1'000; key < 11'000; ++key) cache.Read(key, 1, pieces);
    int kept = 0;
    for (uint64_t key = 0; key < 50; ++key) kept += cache.Read(key, 1, pieces);
    EXPECT_GE(kept, 45) << "read in " << pieces << " pieces";
  }
}

TEST(Eviction, WithoutTheWindowPiecesMakeAScanLookHot) {
  // Why the window is there: the same as above, and nothing of the hot set is left.
  S3FifoCache cache(100, 0);
  for (int round = 0; round < 20; ++round) {
    for (uint64_t key = 0; key < 50; ++key) cache.Read(key, 1, 10);
  }
  for (uint64_t key = 1'000; key < 11'000; ++key) cache.Read(key, 1, 10);
  int kept = 0;
  for (uint64_t key = 0; key < 50; ++key) kept += cache.Read(key, 1, 10);
  EXPECT_EQ(kept, 0);
}

TEST(Eviction, HitsMoreThanLruAndFifo) {
  constexpr int kCapacity = 400;
  S3FifoCache s3fifo(kCapacity, S3Fifo::WindowBytes(kCapacity));
  S3FifoCache pieces(kCapacity, S3Fifo::WindowBytes(kCapacity));
  ListCache lru(kCapacity, true);
  ListCache fifo(kCapacity, false);
  const double ours = HitRatio([&](uint64_t key) { return s3fifo.Read(key); });
  const double in_pieces = HitRatio([&](uint64_t key) { return pieces.Read(key, 1, 8); });
  const double of_lru = HitRatio([&](uint64_t key) { return lru.Read(key); });
  const double of_fifo = HitRatio([&](uint64_t key) { return fifo.Read(key); });
  ::testing::Test::RecordProperty("s3fifo", std::to_string(ours));
  std::printf("hit ratios: S3-FIFO %.3f, read in pieces %.3f, LRU %.3f, FIFO %.3f\n", ours,
              in_pieces, of_lru, of_fifo);
  EXPECT_GT(ours, of_lru + 0.02);
  EXPECT_GT(ours, of_fifo + 0.02);
  EXPECT_GT(in_pieces, of_lru + 0.02);
}

TEST(Eviction, CountsBytes) {
  S3FifoCache cache(1'000, 25);
  std::mt19937_64 random(2);
  for (int i = 0; i < 20'000; ++i) {
    cache.Read(random() % 200, 1 + static_cast<int64_t>(random() % 64));
    const S3Fifo& policy = cache.policy();
    ASSERT_EQ(policy.small_bytes() + policy.main_bytes(), cache.used());
    ASSERT_LE(cache.used(), 1'000);
    ASSERT_LE(policy.ghost_bytes(), 900);
  }
}

TEST(Eviction, WhatComesBackSoonGoesToMain) {
  InsertionClock clock(0);
  S3Fifo policy(100, clock);
  std::vector<S3Fifo::Entry> entries(3);
  policy.Insert(entries[0], 7, 10);
  EXPECT_EQ(policy.Evict(), &entries[0]);
  EXPECT_EQ(policy.ghost_bytes(), 10);
  policy.Insert(entries[1], 7, 10);
  EXPECT_EQ(policy.main_bytes(), 10);
  EXPECT_EQ(policy.small_bytes(), 0);
  policy.Insert(entries[2], 8, 10);
  EXPECT_EQ(policy.small_bytes(), 10);
}

TEST(Eviction, AnEntryCanLeaveFromAnywhere) {
  InsertionClock clock(0);
  S3Fifo policy(100, clock);
  std::vector<S3Fifo::Entry> entries(5);
  for (uint64_t i = 0; i < entries.size(); ++i) policy.Insert(entries[i], i, 10);
  for (const int i : {2, 0, 4}) policy.Remove(entries[i]);
  policy.Remove(entries[2]);
  policy.Resize(entries[3], 25);
  EXPECT_EQ(policy.small_bytes(), 35);
  EXPECT_EQ(policy.Evict(), &entries[1]);
  policy.Return(entries[1], 11);
  EXPECT_EQ(policy.main_bytes(), 11);
  EXPECT_EQ(policy.Evict(), &entries[3]) << "small is over its tenth";
  EXPECT_EQ(policy.Evict(), &entries[1]);
  EXPECT_EQ(policy.Evict(), nullptr);
}

TEST(Eviction, UsedOnceMoreStaysInMain) {
  InsertionClock clock(0);
  S3Fifo policy(100, clock);
  std::vector<S3Fifo::Entry> entries(2);
  policy.InsertMain(entries[0], 0, 50);
  policy.InsertMain(entries[1], 1, 50);
  entries[0].Use(clock);
  EXPECT_EQ(policy.Evict(), &entries[1]);
  EXPECT_EQ(policy.Evict(), &entries[0]);
}

}  // namespace
}  // namespace eider::cache
