// A store whose GETs are answered by a test, for what stands on top of one.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/mutex.h"
#include "store/object_store.h"

namespace eider::store {

// Thread-safe. GETs wait until the test answers them; a stopped one ends as CANCELLED by itself.
class FakeStore final : public ObjectStore {
 public:
  ~FakeStore() override {
    for (auto& get : gets_) get->on_stop.reset();
  }

  void StartGet(GetRequest request, Scope scope, GetDone done) override {
    auto get = std::make_shared<Pending>();
    get->request = std::move(request);
    get->done = std::move(done);
    size_t index = 0;
    {
      const base::MutexLock lock(mutex_);
      index = gets_.size();
      gets_.push_back(get);
    }
    get->on_stop.emplace(scope.stop, [this, index] {
      Finish(index, base::MakeError(base::ErrorCode::kCancelled, "stopped"));
    });
    arrived_.NotifyAll();
    if (on_get) on_get(index);
  }

  arrow::Result<Version> Stat(const GetRequest&, const Scope&) override {
    const base::MutexLock lock(mutex_);
    ++stats_;
    if (stat_errors_ == 0) return Version{.size = 7};
    --stat_errors_;
    return base::MakeError(base::ErrorCode::kStorageUnavailable, "not now");
  }

  arrow::Result<ListPage> List(const ListRequest&, const Scope&) override { return ListPage(); }

  // The index-th GET's; false where it had ended already.
  bool Finish(size_t index, arrow::Result<GetResult> result) {
    const auto get = At(index);
    GetDone done;
    {
      const base::MutexLock lock(mutex_);
      done = std::exchange(get->done, nullptr);
    }
    if (done == nullptr) return false;
    done(std::move(result));
    return true;
  }
  bool Fail(size_t index, base::ErrorInfo info) { return Finish(index, base::MakeError(info)); }
  bool Unavailable(size_t index) {
    return Finish(index, base::MakeError(base::ErrorCode::kStorageUnavailable, "not now"));
  }
  void FirstByte(size_t index) {
    const auto get = At(index);
    if (get->request.on_first_byte) get->request.on_first_byte();
  }

  bool WaitForGets(size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    const base::MutexLock lock(mutex_);
    while (gets_.size() < count) {
      if (!arrived_.WaitUntil(mutex_, deadline)) return false;
    }
    return true;
  }
  size_t gets() {
    const base::MutexLock lock(mutex_);
    return gets_.size();
  }
  int stats() {
    const base::MutexLock lock(mutex_);
    return stats_;
  }
  void FailStats(int count) {
    const base::MutexLock lock(mutex_);
    stat_errors_ = count;
  }

  std::function<void(size_t index)> on_get;  // set before the first

 private:
  struct Pending {
    GetRequest request;
    GetDone done;  // guarded by the store's mutex
    std::optional<std::stop_callback<std::function<void()>>> on_stop;
  };
  std::shared_ptr<Pending> At(size_t index) {
    const base::MutexLock lock(mutex_);
    return gets_.at(index);
  }

  base::Mutex mutex_;
  base::CondVar arrived_;
  std::vector<std::shared_ptr<Pending>> gets_ EIDER_GUARDED_BY(mutex_);
  int stats_ EIDER_GUARDED_BY(mutex_) = 0;
  int stat_errors_ EIDER_GUARDED_BY(mutex_) = 0;
};

inline GetResult BytesOf(const std::string& text) {
  return {.version = {.size = static_cast<int64_t>(text.size())},
          .bytes = arrow::Buffer::FromString(text)};
}

}  // namespace eider::store
