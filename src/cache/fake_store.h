// An object store in memory for tests: scripted objects and versions, faults, answers held back.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "store/object_store.h"

namespace eider::cache {

// Answers from two threads of its own. Thread-safe.
class FakeStore final : public store::ObjectStore {
 public:
  FakeStore();
  ~FakeStore() override;  // answers what is still held

  // Another version of the object; returns it. Without an ETag it has the tag of the store's own.
  store::Version Put(const std::string& key, std::string bytes, bool with_etag = true);
  void Remove(const std::string& key);

  // From now on answers wait until Release(); a cancelled request is answered at once.
  void Hold();
  void Release();
  // Waits until so many requests are held; false after two minutes.
  bool AwaitHeld(int count);

  // The next `count` GETs and lists fail with it.
  void FailNext(int count, arrow::Status status);
  // Each GET fails with this probability.
  void FailRandomly(double probability, uint64_t seed);
  // From now on it answers as a server that knows no If-Match.
  void IgnoreIfMatch();
  // Lists give so many keys a page.
  void SetPageKeys(size_t keys);

  struct Asked {
    std::string key;
    store::Range range;
    std::string if_match;
    std::string if_none_match;
    std::string access_key;
    store::GetResult::Outcome outcome = store::GetResult::Outcome::kBytes;
    int64_t offset = 0;  // of the answer
    int64_t bytes = 0;
    std::string etag;
    bool failed = false;
  };
  std::vector<Asked> asked() const;  // GETs answered, in order of their answers
  int gets() const;                  // begun
  int lists() const;
  int faults() const;     // injected
  int cancelled() const;  // GETs that were cancelled before their answer
  void Forget();          // what was asked

  void StartGet(store::GetRequest request, store::Scope scope, GetDone done) override;
  arrow::Result<store::Version> Stat(const store::GetRequest& request,
                                     const store::Scope& scope) override;
  arrow::Result<store::ListPage> List(const store::ListRequest& request,
                                      const store::Scope& scope) override;

 private:
  struct Pending {
    store::GetRequest request;
    store::Scope scope;
    GetDone done;
    std::optional<std::stop_callback<std::function<void()>>> wake;
  };
  using PendingPtr = std::shared_ptr<Pending>;
  struct Stored {
    std::string bytes;
    store::Version version;
  };

  void Serve();
  PendingPtr NextReady() EIDER_REQUIRES(mutex_);
  arrow::Result<store::GetResult> Answer(const Pending& pending) EIDER_REQUIRES(mutex_);
  std::optional<arrow::Status> Fault() EIDER_REQUIRES(mutex_);

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::map<std::string, Stored> objects_ EIDER_GUARDED_BY(mutex_);
  std::deque<PendingPtr> pending_ EIDER_GUARDED_BY(mutex_);
  std::vector<Asked> asked_ EIDER_GUARDED_BY(mutex_);
  bool ignores_if_match_ EIDER_GUARDED_BY(mutex_) = false;
  bool held_ EIDER_GUARDED_BY(mutex_) = false;
  bool closing_ EIDER_GUARDED_BY(mutex_) = false;
  int held_lists_ EIDER_GUARDED_BY(mutex_) = 0;
  int64_t versions_ EIDER_GUARDED_BY(mutex_) = 0;
  int gets_ EIDER_GUARDED_BY(mutex_) = 0;
  int lists_ EIDER_GUARDED_BY(mutex_) = 0;
  int faults_ EIDER_GUARDED_BY(mutex_) = 0;
  int cancelled_ EIDER_GUARDED_BY(mutex_) = 0;
  int fail_next_ EIDER_GUARDED_BY(mutex_) = 0;
  arrow::Status failure_ EIDER_GUARDED_BY(mutex_);
  double fail_probability_ EIDER_GUARDED_BY(mutex_) = 0;
  std::mt19937_64 random_ EIDER_GUARDED_BY(mutex_);
  size_t page_keys_ EIDER_GUARDED_BY(mutex_) = 1'000;
  std::vector<std::thread> threads_;
};

}  // namespace eider::cache
