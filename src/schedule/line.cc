#include "schedule/line.h"

namespace eider::schedule {

Line::Queue& Line::Join(const Waiting& waiting, bool front) {
  Band& band = bands_[waiting.priority];
  const auto [at, joined] = band.clients.try_emplace(waiting.client);
  Queue& queue = at->second;
  if (!joined && !front) return queue;
  if (!joined) band.turns.erase(queue.turn);
  if (band.turns.empty()) {
    queue.turn = 0;
  } else {
    queue.turn = front ? band.turns.begin()->first - 1 : band.turns.rbegin()->first + 1;
  }
  band.turns.emplace(queue.turn, waiting.client);
  return queue;
}

void Line::Push(const Waiting& waiting) {
  Join(waiting, /*front=*/false).tasks.emplace(waiting.sequence, waiting.task_id);
  bands_[waiting.priority].by_age.emplace(waiting.sequence, waiting.task_id);
  where_.emplace(waiting.task_id, waiting);
}

void Line::PushFront(const Waiting& waiting) {
  Join(waiting, /*front=*/true).tasks.emplace(waiting.sequence, waiting.task_id);
  bands_[waiting.priority].by_age.emplace(waiting.sequence, waiting.task_id);
  where_.emplace(waiting.task_id, waiting);
}

std::optional<std::string> Line::Front() const {
  if (bands_.empty()) return std::nullopt;
  const Band& band = bands_.begin()->second;
  return band.clients.at(band.turns.begin()->second).tasks.begin()->second;
}

std::optional<std::string> Line::Pop() {
  std::optional<std::string> task_id = Front();
  if (!task_id) return std::nullopt;
  // The client's next turn comes after those of all the others.
  Band& band = bands_.begin()->second;
  const auto turn = band.turns.begin();
  Queue& queue = band.clients.at(turn->second);
  queue.turn = band.turns.rbegin()->first + 1;
  band.turns.emplace(queue.turn, turn->second);
  band.turns.erase(turn);
  TakeOut(*task_id);
  return task_id;
}

void Line::Remove(const std::string& task_id) {
  if (where_.contains(task_id)) TakeOut(task_id);
}

void Line::TakeOut(const std::string& task_id) {
  const auto at = where_.find(task_id);
  const auto band = bands_.find(at->second.priority);
  const auto client = band->second.clients.find(at->second.client);
  client->second.tasks.erase(at->second.sequence);
  band->second.by_age.erase(at->second.sequence);
  if (client->second.tasks.empty()) {
    band->second.turns.erase(client->second.turn);
    band->second.clients.erase(client);
  }
  if (band->second.clients.empty()) bands_.erase(band);
  where_.erase(at);
}

std::optional<std::string> Line::OldestThat(
    const std::function<bool(const std::string&)>& may) const {
  for (const auto& [priority, band] : bands_) {
    for (const auto& [sequence, task_id] : band.by_age) {
      if (may(task_id)) return task_id;
    }
  }
  return std::nullopt;
}

}  // namespace eider::schedule
