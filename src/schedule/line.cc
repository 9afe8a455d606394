#include "schedule/line.h"

#include <algorithm>
#include <utility>

namespace eider::schedule {

void Line::Join(const Waiting& waiting, bool front) {
  Band& band = bands_[waiting.priority];
  const auto [at, joined] = band.clients.try_emplace(waiting.client);
  Queue& queue = at->second;
  queue.tasks.emplace(waiting.sequence, waiting.task);
  Count(band, queue.tasks.size() - 1, queue.tasks.size());
  ++size_;
  if (!joined && !front) return;
  if (!joined) band.turns.erase(queue.turn);
  if (band.turns.empty()) {
    queue.turn = 0;
  } else {
    queue.turn = front ? band.turns.begin()->first - 1 : band.turns.rbegin()->first + 1;
  }
  band.turns.emplace(queue.turn, waiting.client);
}

void Line::Push(const Waiting& waiting) { Join(waiting, /*front=*/false); }

void Line::PushFront(const Waiting& waiting) { Join(waiting, /*front=*/true); }

TaskRecord* Line::Front() const {
  if (bands_.empty()) return nullptr;
  const Band& band = bands_.begin()->second;
  return band.clients.at(band.turns.begin()->second).tasks.begin()->second;
}

void Line::TakeTurn() {
  // The client's next turn comes after those of all the others.
  Band& band = bands_.begin()->second;
  auto turn = band.turns.extract(band.turns.begin());
  turn.key() = band.turns.empty() ? 0 : band.turns.rbegin()->first + 1;
  band.clients.at(turn.mapped()).turn = turn.key();
  band.turns.insert(std::move(turn));
}

TaskRecord* Line::Pop() {
  if (bands_.empty()) return nullptr;
  const auto& [priority, band] = *bands_.begin();
  const auto& [client, queue] = *band.clients.find(band.turns.begin()->second);
  const auto [sequence, task] = *queue.tasks.begin();
  TakeTurn();
  TakeOut(priority, std::string(client), sequence);
  return task;
}

void Line::Remove(const Waiting& waiting) {
  TakeOut(waiting.priority, waiting.client, waiting.sequence);
}

void Line::TakeOut(int priority, const std::string& client, uint64_t sequence) {
  const auto band = bands_.find(priority);
  const auto queue = band->second.clients.find(client);
  queue->second.tasks.erase(sequence);
  Count(band->second, queue->second.tasks.size() + 1, queue->second.tasks.size());
  if (queue->second.tasks.empty()) {
    band->second.turns.erase(queue->second.turn);
    band->second.clients.erase(queue);
  }
  stealable_.erase({-priority, sequence});
  if (band->second.clients.empty()) bands_.erase(band);
  --size_;
}

void Line::Count(Band& band, size_t before, size_t now) {
  band.having.resize(std::max(band.having.size(), now + 1));
  if (before > 0) --band.having[before];
  if (now > 0) ++band.having[now];
  while (!band.having.empty() && band.having.back() == 0) band.having.pop_back();
  crowded_ += (now >= 2 ? 1 : 0) - (before >= 2 ? 1 : 0);
}

bool Line::HasNewestOfTheMost(const std::string& client, int priority) const {
  size_t most = 0;
  size_t own = 0;
  for (auto band = bands_.lower_bound(priority); band != bands_.end(); ++band) {
    most = std::max(most, band->second.having.size() - 1);
    const auto queue = band->second.clients.find(client);
    if (queue != band->second.clients.end()) own = std::max(own, queue->second.tasks.size());
  }
  return most >= own + 2;
}

TaskRecord* Line::NewestOfTheMost(const std::string& client, int priority) const {
  const Queue* most = nullptr;
  size_t own = 0;
  for (const auto& [of, band] : bands_) {
    if (of > priority) continue;
    for (const auto& [name, queue] : band.clients) {
      if (name == client) own = std::max(own, queue.tasks.size());
      if (most == nullptr || queue.tasks.size() > most->tasks.size()) most = &queue;
    }
  }
  if (most == nullptr || most->tasks.size() < own + 2) return nullptr;
  return most->tasks.rbegin()->second;
}

void Line::LetSteal(const Waiting& waiting) {
  stealable_.emplace(std::pair(-waiting.priority, waiting.sequence), waiting.task);
}

TaskRecord* Line::OldestStealable(const std::function<bool(TaskRecord&)>& may) const {
  for (const auto& [order, task] : stealable_) {
    if (may(*task)) return task;
  }
  return nullptr;
}

}  // namespace eider::schedule
