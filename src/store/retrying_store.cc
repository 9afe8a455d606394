#include "store/retrying_store.h"

#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>

#include "base/error.h"

namespace eider::store {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Waits, and is false where it was stopped.
bool Sleep(int64_t delay_ms, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, milliseconds(delay_ms), [] { return false; });
  return !stop.stop_requested();
}

arrow::Status Cancelled() {
  return base::MakeError(base::ErrorCode::kCancelled, "cancelled while waiting to try S3 again");
}

// The same error, saying how often it was met and why no more.
arrow::Status Given(const arrow::Status& error, int tries, const std::string& why_not) {
  base::ErrorInfo info = base::ErrorOf(error);
  info.retry_after_ms.reset();  // between S3 and us
  if (tries > 1) info.message += " (tried " + std::to_string(tries) + " times)";
  if (!why_not.empty()) info.message += "; " + why_not;
  return base::MakeError(std::move(info));
}

}  // namespace

struct RetryingStore::Retried {
  GetRequest request;
  Scope scope;
  GetDone done;
  int tries = 0;
};

RetryingStore::RetryingStore(std::shared_ptr<ObjectStore> inner, std::shared_ptr<TimerQueue> timers,
                             std::shared_ptr<Budget> budget, const Options& options)
    : inner_(std::move(inner)),
      timers_(std::move(timers)),
      budget_(std::move(budget)),
      options_(options.retry),
      random_(options.seed) {}

RetryingStore::~RetryingStore() { in_flight_.WaitForNone(); }

double RetryingStore::Random() {
  const base::MutexLock lock(mutex_);
  return std::uniform_real_distribution<double>(0, 1)(random_);
}

arrow::Result<int64_t> RetryingStore::DelayAfter(const arrow::Status& error, int tries,
                                                 const Scope& scope) {
  const auto now = Clock::now();
  const auto left =
      scope.deadline == Scope::TimePoint::max() ? Clock::duration::max() : scope.deadline - now;
  const RetryDecision decision = DecideRetry(error, tries, Random(), left, options_);
  if (!decision.retry) return Given(error, tries, decision.why_not);
  if (!budget_->Spend(now)) {
    return Given(error, tries,
                 "too much fails here for yet another try: the retry budget is spent");
  }
  if (scope.costs != nullptr) ++scope.costs->retries;
  return decision.delay_ms;
}

void RetryingStore::StartGet(GetRequest request, Scope scope, GetDone done) {
  auto get = std::make_shared<Retried>();
  get->request = std::move(request);
  get->scope = std::move(scope);
  get->done = std::move(done);
  budget_->Earn();
  in_flight_.Begin();
  Try(get);
}

void RetryingStore::Try(const std::shared_ptr<Retried>& get) {
  if (++get->tries > 1) get->request.on_first_byte = nullptr;
  inner_->StartGet(get->request, get->scope, [this, get](arrow::Result<GetResult> result) {
    TryEnded(get, std::move(result));
  });
}

void RetryingStore::TryEnded(const std::shared_ptr<Retried>& get, arrow::Result<GetResult> result) {
  if (result.ok()) return Finish(get, std::move(result));
  const auto delay_ms = DelayAfter(result.status(), get->tries, get->scope);
  if (!delay_ms.ok()) return Finish(get, delay_ms.status());
  timers_->Schedule(Clock::now() + milliseconds(*delay_ms), get->scope.stop,
                    [this, get](TimerQueue::Fired fired) {
                      if (fired == TimerQueue::Fired::kStopped) {
                        Finish(get, Cancelled());
                      } else {
                        Try(get);
                      }
                    });
}

void RetryingStore::Finish(const std::shared_ptr<Retried>& get, arrow::Result<GetResult> result) {
  GetDone done = std::move(get->done);
  done(std::move(result));
  done = nullptr;  // with all that it holds, before the store may go
  in_flight_.End();
}

template <typename Call>
auto RetryingStore::Blocking(const Scope& scope, const Call& call) -> decltype(call()) {
  budget_->Earn();
  for (int tries = 1;; ++tries) {
    auto result = call();
    if (result.ok()) return result;
    ARROW_ASSIGN_OR_RAISE(const int64_t delay_ms, DelayAfter(result.status(), tries, scope));
    if (!Sleep(delay_ms, scope.stop)) return Cancelled();
  }
}

arrow::Result<Version> RetryingStore::Stat(const GetRequest& request, const Scope& scope) {
  return Blocking(scope, [&] { return inner_->Stat(request, scope); });
}

arrow::Result<ListPage> RetryingStore::List(const ListRequest& request, const Scope& scope) {
  return Blocking(scope, [&] { return inner_->List(request, scope); });
}

}  // namespace eider::store
