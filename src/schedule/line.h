// The tasks that wait for one worker, in the order in which they get its slots: higher priority
// first; within a priority the clients take turns, one task a turn; within a client, oldest first.
//
// A client that has nothing waiting has no turn: it joins at the end when its next task comes, so
// no client is more than one round away from its turn, however many tasks another has waiting.
//
// Some of them may be stolen by an idle worker: the line is told which, and names the oldest.
//
// Every call is O(log n), but for OldestStealable() past tasks that its caller does not want. The
// tasks are the caller's, named by address and never looked into. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace eider::schedule {

struct TaskRecord;

// One task in a line.
struct Waiting {
  TaskRecord* task = nullptr;
  std::string client;
  int priority = 0;
  uint64_t sequence = 0;  // unique; the older the smaller
};

class Line {
 public:
  // REQUIRES for both: the task is not in the line.
  void Push(const Waiting& waiting);
  // The same, and its client's turn comes next in its priority.
  void PushFront(const Waiting& waiting);

  // The task whose turn it is; nullptr when the line is empty. Pop() takes it out.
  TaskRecord* Front() const;
  TaskRecord* Pop();
  // The turn goes to the next client, as it does when a task is popped. REQUIRES: not empty.
  void TakeTurn();
  // Takes a task out wherever it is; its client's turn stays. REQUIRES: it is in the line.
  void Remove(const Waiting& waiting);

  // The newest task of the client with the most tasks, of those of `priority` or lower, that waits
  // here; nullptr unless that client has at least two more than `client` has. O(clients).
  TaskRecord* NewestOfTheMost(const std::string& client, int priority) const;
  // Whether there is one. O(priorities + log n).
  bool HasNewestOfTheMost(const std::string& client, int priority) const;
  // Whether any client has two tasks of one priority here; else nobody's has to make room.
  bool is_crowded() const { return crowded_ > 0; }

  // From now on the task may be stolen. REQUIRES: it is in the line.
  void LetSteal(const Waiting& waiting);
  // The oldest task of the highest priority that may be stolen and satisfies `may`; nullptr: none.
  TaskRecord* OldestStealable(const std::function<bool(TaskRecord&)>& may) const;
  bool may_be_stolen_from() const { return !stealable_.empty(); }

  int size() const { return size_; }

 private:
  // A client's tasks of one priority, oldest first, and when its turn comes.
  struct Queue {
    int64_t turn = 0;
    std::map<uint64_t, TaskRecord*> tasks;
  };
  // The tasks of one priority.
  struct Band {
    std::map<std::string, Queue> clients;  // those with tasks
    std::map<int64_t, std::string> turns;  // turn -> client; the smallest is next
    std::vector<int> having;               // [n]: clients with n tasks; the last is not 0
  };

  void Join(const Waiting& waiting, bool front);
  void TakeOut(int priority, const std::string& client, uint64_t sequence);
  // A client of the band has so many tasks now, one more or less than before.
  void Count(Band& band, size_t before, size_t now);

  std::map<int, Band, std::greater<>> bands_;                  // by priority; none is empty
  std::map<std::pair<int, uint64_t>, TaskRecord*> stealable_;  // by (-priority, sequence)
  int size_ = 0;
  int crowded_ = 0;  // clients with two or more tasks, in all bands
};

}  // namespace eider::schedule
