#include "cache/fake_store.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"

namespace eider::cache {

using base::ErrorCode;
using base::MakeError;
using store::GetResult;
using store::Range;

FakeStore::FakeStore() {
  for (int i = 0; i < 2; ++i) threads_.emplace_back([this] { Serve(); });
}

FakeStore::~FakeStore() {
  {
    base::MutexLock lock(mutex_);
    closing_ = true;
    changed_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
}

store::Version FakeStore::Put(const std::string& key, std::string bytes, bool with_etag) {
  base::MutexLock lock(mutex_);
  ++versions_;
  store::Version version;
  version.size = static_cast<int64_t>(bytes.size());
  version.last_modified_ms = versions_ * 1'000;
  version.etag = with_etag
                     ? "\"v" + std::to_string(versions_) + "\""
                     : "modified-" + std::to_string(versions_) + "-" + std::to_string(version.size);
  objects_[key] = {std::move(bytes), version};
  return version;
}

void FakeStore::Remove(const std::string& key) {
  base::MutexLock lock(mutex_);
  objects_.erase(key);
}

void FakeStore::Hold() {
  base::MutexLock lock(mutex_);
  held_ = true;
}

void FakeStore::Release() {
  base::MutexLock lock(mutex_);
  held_ = false;
  changed_.NotifyAll();
}

bool FakeStore::AwaitHeld(int count) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  base::MutexLock lock(mutex_);
  while (static_cast<int>(pending_.size()) + held_lists_ < count) {
    if (!changed_.WaitUntil(mutex_, deadline)) return false;
  }
  return true;
}

void FakeStore::FailNext(int count, arrow::Status status) {
  base::MutexLock lock(mutex_);
  fail_next_ = count;
  failure_ = std::move(status);
}

void FakeStore::FailRandomly(double probability, uint64_t seed) {
  base::MutexLock lock(mutex_);
  fail_probability_ = probability;
  random_.seed(seed);
}

void FakeStore::IgnoreIfMatch() {
  base::MutexLock lock(mutex_);
  ignores_if_match_ = true;
}

void FakeStore::SetPageKeys(size_t keys) {
  base::MutexLock lock(mutex_);
  page_keys_ = keys;
}

std::vector<FakeStore::Asked> FakeStore::asked() const {
  base::MutexLock lock(mutex_);
  return asked_;
}

int FakeStore::gets() const {
  base::MutexLock lock(mutex_);
  return gets_;
}

int FakeStore::lists() const {
  base::MutexLock lock(mutex_);
  return lists_;
}

int FakeStore::faults() const {
  base::MutexLock lock(mutex_);
  return faults_;
}

int FakeStore::cancelled() const {
  base::MutexLock lock(mutex_);
  return cancelled_;
}

void FakeStore::Forget() {
  base::MutexLock lock(mutex_);
  asked_.clear();
  gets_ = 0;
  lists_ = 0;
}

void FakeStore::StartGet(store::GetRequest request, store::Scope scope, GetDone done) {
  auto pending = std::make_shared<Pending>();
  const std::stop_token stop = scope.stop;
  if (scope.costs != nullptr) ++scope.costs->requests;
  pending->request = std::move(request);
  pending->scope = std::move(scope);
  pending->done = std::move(done);
  pending->wake.emplace(stop, [this] {
    base::MutexLock lock(mutex_);
    changed_.NotifyAll();
  });
  base::MutexLock lock(mutex_);
  ++gets_;
  pending_.push_back(std::move(pending));
  changed_.NotifyAll();
}

FakeStore::PendingPtr FakeStore::NextReady() {
  for (auto at = pending_.begin(); at != pending_.end(); ++at) {
    if (held_ && !closing_ && !(*at)->scope.stop.stop_requested()) continue;
    PendingPtr ready = *at;
    pending_.erase(at);
    return ready;
  }
  return nullptr;
}

void FakeStore::Serve() {
  while (true) {
    PendingPtr pending;
    arrow::Result<GetResult> answer = arrow::Status::Invalid("none");
    {
      base::MutexLock lock(mutex_);
      while ((pending = NextReady()) == nullptr) {
        if (closing_) return;
        changed_.Wait(mutex_);
      }
      answer = Answer(*pending);
    }
    pending->wake.reset();
    const GetDone done = std::move(pending->done);
    done(std::move(answer));
  }
}

std::optional<arrow::Status> FakeStore::Fault() {
  if (fail_next_ > 0) {
    --fail_next_;
    ++faults_;
    return failure_;
  }
  if (fail_probability_ > 0 &&
      std::uniform_real_distribution<double>(0, 1)(random_) < fail_probability_) {
    ++faults_;
    return MakeError(ErrorCode::kStorageUnavailable, "injected");
  }
  return std::nullopt;
}

arrow::Result<GetResult> FakeStore::Answer(const Pending& pending) {
  const store::GetRequest& request = pending.request;
  Asked& asked = asked_.emplace_back();
  asked.key = request.object.key;
  asked.range = request.range;
  asked.if_match = request.if_match;
  asked.if_none_match = request.if_none_match;
  asked.access_key = request.access->key_id;
  asked.failed = true;
  if (pending.scope.stop.stop_requested()) {
    ++cancelled_;
    return MakeError(ErrorCode::kCancelled, "cancelled");
  }
  if (auto fault = Fault()) return *fault;
  if (request.access->key_id == "bad") {
    return MakeError(ErrorCode::kPermissionDenied, request.url + ": no");
  }
  const auto found = objects_.find(request.object.key);
  if (found == objects_.end()) return MakeError(ErrorCode::kNotFound, request.url + ": none");
  const Stored& stored = found->second;
  asked.failed = false;
  asked.etag = stored.version.etag;
  GetResult result;
  if (!ignores_if_match_ && !request.if_match.empty() && request.if_match != stored.version.etag) {
    result.outcome = GetResult::Outcome::kChanged;
  } else if (!request.if_none_match.empty() && request.if_none_match == stored.version.etag) {
    result.outcome = GetResult::Outcome::kNotModified;
  } else {
    const int64_t size = stored.version.size;
    const bool suffix = request.range.kind == Range::Kind::kSuffix;
    const int64_t begin = std::min(
        size, suffix ? std::max<int64_t>(0, size - request.range.length) : request.range.offset);
    const int64_t end = std::min(size, begin + request.range.length);
    result.version = stored.version;
    result.offset = begin;
    result.bytes = arrow::Buffer::FromString(
        stored.bytes.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
    asked.offset = begin;
    asked.bytes = end - begin;
  }
  asked.outcome = result.outcome;
  return result;
}

arrow::Result<store::Version> FakeStore::Stat(const store::GetRequest& request,
                                              const store::Scope&) {
  base::MutexLock lock(mutex_);
  const auto found = objects_.find(request.object.key);
  if (found == objects_.end()) return MakeError(ErrorCode::kNotFound, request.url + ": none");
  return found->second.version;
}

arrow::Result<store::ListPage> FakeStore::List(const store::ListRequest& request,
                                               const store::Scope& scope) {
  const std::stop_callback wake(scope.stop, [this] {
    base::MutexLock lock(mutex_);
    changed_.NotifyAll();
  });
  base::MutexLock lock(mutex_);
  ++lists_;
  ++held_lists_;
  changed_.NotifyAll();
  while (held_ && !closing_ && !scope.stop.stop_requested()) changed_.Wait(mutex_);
  --held_lists_;
  if (scope.stop.stop_requested()) return MakeError(ErrorCode::kCancelled, "cancelled");
  if (auto fault = Fault()) return *fault;
  store::ListPage page;
  for (auto at = objects_.lower_bound(std::max(request.prefix, request.continuation));
       at != objects_.end() && at->first.starts_with(request.prefix); ++at) {
    if (page.entries.size() == page_keys_) {
      page.continuation = at->first;
      break;
    }
    page.entries.push_back({at->first, at->second.version});
  }
  return page;
}

}  // namespace eider::cache
