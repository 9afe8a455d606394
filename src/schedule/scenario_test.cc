// Replays the scenarios of tests/scenarios/*.txt: a story told in events, and what must come of it.
//
// Before the events:
//
//   # A comment.
//   options max_waiting=2 claim_expiry_ms=100      fields of schedule::Options
//   key k1 ranks w2 w1                             a key of this rank order, where slots are equal
//
// An event at a time in milliseconds:
//
//   at 0 worker w1 slots 2 [running t1/1 t2/1]
//   at 5 submit t1 [key k1] [client a] [priority 2] [deadline 900] [query q] [write] [relayed]
//   at 6 started t1/1
//   at 7 finished t1/1 [ran 40] [bytes 1000]       milliseconds, bytes
//   at 7 refused t1/1                              also: arrived t1/1
//   at 7 lost t1/1 [delivered]
//   at 7 moved t1/1                                also: kept t1/1
//   at 7 cancel t1 <reason>
//   at 8 down w1                                   also: draining w1, ready w1
//   at 8 unready w1 <reason>
//   at 9 tick
//
// What the event above leads to, in order:
//
//   -> claim t1/1 on w1 use queued 0: home rank 0
//   -> reject t1 OVERLOADED [retry after 100]: the lines of all workers are full ...
//   -> stop t1/1 on w1: not wanted
//   -> move t1/1 from w1
//
// A tick that leads to something must be one that NextTimerMs() asked for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "schedule/rendezvous.h"
#include "schedule/scheduler.h"

namespace eider::schedule {
namespace {

std::string ToString(const protocol::AttemptId& id) {
  return id.task_id + "/" + std::to_string(id.attempt);
}

std::string ToString(const Claim& claim) {
  return "claim " + ToString(claim.attempt) + " on " + claim.worker_id + " " +
         std::string(protocol::CacheModeName(claim.cache_mode)) + " queued " +
         std::to_string(claim.queue_ms) + ": " + claim.reason;
}

std::string ToString(const Reject& reject) {
  std::string text = "reject " + reject.task_id + " ";
  text += base::ErrorName(reject.error.code);
  if (reject.error.retry_after_ms) {
    text += " retry after " + std::to_string(*reject.error.retry_after_ms);
  }
  if (reject.error.retryable != base::IsRetryable(reject.error.code)) {
    text += reject.error.retryable ? " retryable" : " not retryable";
  }
  return text + ": " + reject.error.message;
}

std::string ToString(const Stop& stop) {
  return "stop " + ToString(stop.attempt) + " on " + stop.worker_id + ": " + stop.reason;
}

std::string ToString(const Move& move) {
  return "move " + ToString(move.attempt) + " from " + move.worker_id;
}

protocol::AttemptId ParseAttempt(const std::string& text) {
  const auto slash = text.find('/');
  return {text.substr(0, slash), std::stoi(text.substr(slash + 1))};
}

class Replay {
 public:
  // The scenario with the actions that were seen in the place of those that are written.
  std::string Run(const std::vector<std::string>& lines) {
    std::string seen;
    for (const std::string& line : lines) {
      if (line.starts_with("  -> ")) continue;
      seen += line + "\n";
      std::istringstream words(line);
      std::string first;
      words >> first;
      if (first == "options") ReadOptions(words);
      if (first == "key") ReadKey(words);
      if (first == "at") seen += Event(words);
    }
    return seen;
  }

 private:
  void ReadOptions(std::istringstream& words) {
    const std::map<std::string, int*> ints = {
        {"max_waiting", &options_.max_waiting},
        {"line_length_per_slot", &options_.line_length_per_slot},
        {"max_retries", &options_.max_retries},
        {"replicas", &options_.replicas},
        {"hot_replicas", &options_.hot_replicas},
        {"flap_falls", &options_.flap_falls},
        {"poison_deaths", &options_.poison_deaths},
        {"max_poison_memories", &options_.max_poison_memories}};
    const std::map<std::string, int64_t*> times = {{"max_wait_ms", &options_.max_wait_ms},
                                                   {"claim_expiry_ms", &options_.claim_expiry_ms},
                                                   {"steal_after_ms", &options_.steal_after_ms},
                                                   {"flap_hold_ms", &options_.flap_hold_ms},
                                                   {"poison_memory_ms", &options_.poison_memory_ms},
                                                   {"incident_ms", &options_.incident_ms}};
    for (std::string word; words >> word;) {
      const std::string name = word.substr(0, word.find('='));
      const int value = std::stoi(word.substr(word.find('=') + 1));
      if (name == "stolen_cache") {
        options_.stolen_cache = value != 0;
      } else if (name == "stealing") {
        options_.stealing = value != 0;
      } else if (name == "patience") {
        options_.patience = value != 0;
      } else if (ints.contains(name)) {
        *ints.at(name) = value;
      } else {
        *times.at(name) = value;
      }
    }
  }

  void ReadKey(std::istringstream& words) {
    std::string name, word;
    words >> name >> word;
    std::vector<std::string> ids;
    while (words >> word) ids.push_back(word);
    std::vector<Candidate> workers;
    workers.reserve(ids.size());
    for (const std::string& id : ids) workers.push_back({id});
    for (int n = 0;; ++n) {
      const std::string key = "s3://bucket/" + std::to_string(n);
      const auto order = Rank(key, workers);
      if (!std::equal(order.begin(), order.end(), ids.begin(), ids.end())) continue;
      keys_[name] = key;
      return;
    }
  }

  std::string Event(std::istringstream& words) {
    if (!scheduler_) scheduler_ = std::make_unique<Scheduler>(options_);
    int64_t at_ms = 0;
    std::string kind;
    words >> at_ms >> kind;
    const std::optional<int64_t> timer_ms = scheduler_->NextTimerMs();
    std::string seen;
    for (const Action& action : scheduler_->Handle(Parse(kind, words), at_ms)) {
      std::visit([&seen](const auto& what) { seen += "  -> " + ToString(what) + "\n"; }, action);
    }
    if (kind == "tick" && !seen.empty() && timer_ms != at_ms) seen += "  -> (no timer)\n";
    return seen;
  }

  schedule::Event Parse(const std::string& kind, std::istringstream& words) {
    std::string id;
    words >> id;
    if (kind == "submit") return ParseSubmit(id, words);
    if (kind == "worker") return ParseWorker(id, words);
    if (kind == "started") return Started{ParseAttempt(id)};
    if (kind == "finished") return ParseFinished(id, words);
    if (kind == "arrived") return Arrived{ParseAttempt(id)};
    if (kind == "moved") return Moved{ParseAttempt(id)};
    if (kind == "kept") return Kept{ParseAttempt(id)};
    if (kind == "refused") return Refused{ParseAttempt(id)};
    if (kind == "lost") {
      std::string word;
      return Lost{ParseAttempt(id), static_cast<bool>(words >> word)};
    }
    if (kind == "cancel") {
      std::string reason;
      std::getline(words >> std::ws, reason);
      return Cancelled{id, reason};
    }
    if (kind == "down") return WorkerDown{id};
    if (kind == "draining") return WorkerDraining{id};
    if (kind == "ready") return WorkerReady{id};
    if (kind == "unready") {
      std::string why;
      std::getline(words >> std::ws, why);
      return WorkerReady{id, false, why};
    }
    EXPECT_EQ(kind, "tick");
    return Tick{};
  }

  Submitted ParseSubmit(const std::string& id, std::istringstream& words) {
    Task task{.id = id, .client = "someone"};
    for (std::string word; words >> word;) {
      std::string key;
      if (word == "key" && words >> key) task.key = keys_.at(key);
      if (word == "client") words >> task.client;
      if (word == "priority") words >> task.priority;
      if (word == "deadline") words >> task.deadline_ms;
      if (word == "write") task.write = true;
      if (word == "relayed") task.relayed = true;
      if (word == "query") words >> task.fingerprint;
    }
    return {task};
  }

  static Finished ParseFinished(const std::string& id, std::istringstream& words) {
    Finished finished{.attempt = ParseAttempt(id)};
    for (std::string word; words >> word;) {
      int64_t figure = 0;
      words >> figure;
      if (word == "ran") finished.run_us = figure * 1'000;
      if (word == "bytes") finished.bytes = figure;
    }
    return finished;
  }

  static WorkerUp ParseWorker(const std::string& id, std::istringstream& words) {
    WorkerUp up{.worker_id = id};
    std::string word;
    words >> word >> up.slots >> word;
    while (words >> word) up.running.push_back(ParseAttempt(word));
    return up;
  }

  Options options_;
  std::map<std::string, std::string> keys_;
  std::unique_ptr<Scheduler> scheduler_;
};

std::vector<std::filesystem::path> Scenarios() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(EIDER_SCENARIOS)) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

class ScenarioTest : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(ScenarioTest, GoesAsWritten) {
  std::ifstream file(GetParam());
  std::vector<std::string> lines;
  std::string written;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
    written += line + "\n";
  }
  ASSERT_FALSE(lines.empty());
  const std::string seen = Replay().Run(lines);
  EXPECT_EQ(seen, written) << "What was seen, whole:\n" << seen;
}

INSTANTIATE_TEST_SUITE_P(All, ScenarioTest, ::testing::ValuesIn(Scenarios()),
                         [](const auto& scenario) { return scenario.param.stem().string(); });

}  // namespace
}  // namespace eider::schedule
