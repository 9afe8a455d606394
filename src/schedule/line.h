// The tasks that wait for one worker, in the order in which they get its slots: higher priority
// first; within a priority the clients take turns, one task a turn; within a client, oldest first.
//
// A client that has nothing waiting has no turn: it joins at the end when its next task comes, so
// no client is more than one round away from its turn, however many tasks another has waiting.
//
// Every call is O(log n), but for OldestThat(). Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace eider::schedule {

// One task in a line.
struct Waiting {
  std::string task_id;
  std::string client;
  int priority = 0;
  uint64_t sequence = 0;  // unique; the older the smaller
};

class Line {
 public:
  // REQUIRES for both: no task of that id is in the line.
  void Push(const Waiting& waiting);
  // The same, and its client's turn comes next in its priority.
  void PushFront(const Waiting& waiting);

  // The task whose turn it is; none when the line is empty. Pop() takes it out.
  std::optional<std::string> Front() const;
  std::optional<std::string> Pop();
  // Takes a task out wherever it is; its client's turn stays. Nothing happens when it is not there.
  void Remove(const std::string& task_id);

  // The oldest task of the highest priority that satisfies `may`. Asks in that order: O(1) where
  // the first one does.
  std::optional<std::string> OldestThat(const std::function<bool(const std::string&)>& may) const;

  int size() const { return static_cast<int>(where_.size()); }

 private:
  // A client's tasks of one priority, oldest first, and when its turn comes.
  struct Queue {
    int64_t turn = 0;
    std::map<uint64_t, std::string> tasks;
  };
  // The tasks of one priority.
  struct Band {
    std::map<std::string, Queue> clients;  // those with tasks
    std::map<int64_t, std::string> turns;  // turn -> client; the smallest is next
    std::map<uint64_t, std::string> by_age;
  };

  Queue& Join(const Waiting& waiting, bool front);
  void TakeOut(const std::string& task_id);

  std::map<int, Band, std::greater<>> bands_;  // by priority; none is empty
  std::map<std::string, Waiting> where_;       // by task id
};

}  // namespace eider::schedule
