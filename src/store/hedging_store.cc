#include "store/hedging_store.h"

#include <array>
#include <functional>
#include <stop_token>
#include <utility>

#include "store/retry_policy.h"

namespace eider::store {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kFirst = 0;
constexpr int kTwin = 1;
constexpr int kNone = -1;
// Past as many endpoints, what was learned is forgotten: https:// files may be of any host.
constexpr size_t kMaxEndpoints = 64;

}  // namespace

// Its lock is never held while a store or a caller is called.
struct HedgingStore::Race {
  // Constant once it runs.
  GetRequest request;
  Scope scope;
  Clock::time_point begun;
  std::array<std::stop_source, 2> stops;
  std::optional<std::stop_callback<std::function<void()>>> on_stop;  // gone before `done`

  base::Mutex mutex;
  GetDone done EIDER_GUARDED_BY(mutex);  // empty: it was called
  std::function<void()> on_first_byte EIDER_GUARDED_BY(mutex);
  std::optional<TimerQueue::Id> timer EIDER_GUARDED_BY(mutex);
  int leader EIDER_GUARDED_BY(mutex) = kNone;  // whose first byte came first
  int running EIDER_GUARDED_BY(mutex) = 1;
  bool has_twin EIDER_GUARDED_BY(mutex) = false;
  bool recorded EIDER_GUARDED_BY(mutex) = false;
};

HedgingStore::HedgingStore(std::shared_ptr<ObjectStore> inner, std::shared_ptr<TimerQueue> timers,
                           std::shared_ptr<Budget> budget, const HedgeOptions& options)
    : inner_(std::move(inner)),
      timers_(std::move(timers)),
      budget_(std::move(budget)),
      options_(options) {}

HedgingStore::~HedgingStore() { in_flight_.WaitForNone(); }

arrow::Result<Version> HedgingStore::Stat(const GetRequest& request, const Scope& scope) {
  return inner_->Stat(request, scope);
}

arrow::Result<ListPage> HedgingStore::List(const ListRequest& request, const Scope& scope) {
  return inner_->List(request, scope);
}

std::optional<std::chrono::nanoseconds> HedgingStore::Patience(const std::string& endpoint) {
  const base::MutexLock lock(mutex_);
  const auto found = policies_.find(endpoint);
  return found == policies_.end() ? std::nullopt : found->second.Delay();
}

void HedgingStore::Record(const std::string& endpoint, std::chrono::nanoseconds first_byte) {
  const base::MutexLock lock(mutex_);
  if (policies_.size() >= kMaxEndpoints && !policies_.contains(endpoint)) policies_.clear();
  policies_.try_emplace(endpoint, options_).first->second.Record(first_byte);
}

void HedgingStore::StartGet(GetRequest request, Scope scope, GetDone done) {
  auto race = std::make_shared<Race>();
  race->begun = Clock::now();
  {
    const base::MutexLock lock(race->mutex);
    race->on_first_byte = std::move(request.on_first_byte);
    race->done = std::move(done);
  }
  race->request = std::move(request);
  race->scope = std::move(scope);
  if (race->scope.stop.stop_possible()) {
    // By value: the race owns the callback, so it must not own the race.
    race->on_stop.emplace(race->scope.stop, [stops = race->stops]() mutable {
      for (auto& stop : stops) stop.request_stop();
    });
  }
  budget_->Earn();
  in_flight_.Begin();
  if (const auto patience = Patience(race->request.access->endpoint)) {
    in_flight_.Begin();
    const base::MutexLock lock(race->mutex);
    race->timer = timers_->Schedule(race->begun + *patience, {}, [this, race](TimerQueue::Fired f) {
      if (f == TimerQueue::Fired::kInTime) Late(race);
      in_flight_.End();
    });
  }
  Run(race, kFirst);
}

void HedgingStore::Run(const RacePtr& race, int runner) {
  GetRequest request = race->request;
  request.on_first_byte = [this, race, runner] { FirstByte(race, runner); };
  Scope scope = race->scope;
  scope.stop = race->stops[static_cast<size_t>(runner)].get_token();
  inner_->StartGet(std::move(request), std::move(scope),
                   [this, race, runner](arrow::Result<GetResult> result) {
                     Ended(race, runner, std::move(result));
                   });
}

void HedgingStore::Late(const RacePtr& race) {
  {
    const base::MutexLock lock(race->mutex);
    const bool moot = race->done == nullptr || race->leader != kNone;
    if (moot || !budget_->Spend(Clock::now())) return;
    race->has_twin = true;
    ++race->running;
  }
  if (race->scope.costs != nullptr) ++race->scope.costs->hedges;
  in_flight_.Begin();
  Run(race, kTwin);
}

void HedgingStore::FirstByte(const RacePtr& race, int runner) {
  const auto waited = Clock::now() - race->begun;
  std::function<void()> tell;
  bool beaten = false;  // the other one
  bool record = false;
  {
    const base::MutexLock lock(race->mutex);
    // A first one that its twin overtook waited at least this long.
    record = !std::exchange(race->recorded, true);
    if (race->leader == kNone) {
      race->leader = runner;
      beaten = race->has_twin;
      tell = std::exchange(race->on_first_byte, nullptr);
    }
  }
  if (record) Record(race->request.access->endpoint, waited);
  if (beaten) race->stops[static_cast<size_t>(1 - runner)].request_stop();
  if (tell) tell();
}

void HedgingStore::Ended(const RacePtr& race, int runner, arrow::Result<GetResult> result) {
  GetDone done;
  std::optional<TimerQueue::Id> timer;
  bool rival = false;
  {
    const base::MutexLock lock(race->mutex);
    --race->running;
    const bool led_by_other = race->leader != kNone && race->leader != runner;
    // A failure may wait for what the other one brings, unless it is one that both will meet.
    const bool wait = race->running > 0 &&
                      (led_by_other ||
                       (!result.ok() && race->leader == kNone && IsWorthRetrying(result.status())));
    if (!wait) done = std::exchange(race->done, nullptr);
    timer = race->timer;
    rival = race->running > 0;
  }
  if (done != nullptr) {
    if (rival) race->stops[static_cast<size_t>(1 - runner)].request_stop();
    if (timer && timers_->Cancel(*timer)) in_flight_.End();
    race->on_stop.reset();
    done(std::move(result));
    done = nullptr;
  }
  in_flight_.End();
}

}  // namespace eider::store
