#include "store/hedging_store.h"

#include <gtest/gtest.h>

#include <future>

#include "base/error.h"
#include "store/fake_store.h"

namespace eider::store {
namespace {

using base::ErrorCode;
using base::ErrorOf;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using Clock = std::chrono::steady_clock;

TEST(HedgePolicy, KnowsNothingAtFirst) {
  HedgePolicy policy({.min_samples = 3});
  EXPECT_EQ(policy.Delay(), std::nullopt);
  policy.Record(milliseconds(100));
  policy.Record(milliseconds(100));
  EXPECT_EQ(policy.Delay(), std::nullopt);
  policy.Record(milliseconds(100));
  EXPECT_EQ(policy.Delay(), milliseconds(300));
}

TEST(HedgePolicy, WaitsForTheHighPercentileTheFloorAndTheMedians) {
  const HedgeOptions options{
      .floor = milliseconds(50), .medians = 3, .window = 100, .min_samples = 20};
  HedgePolicy fast(options);
  for (int i = 0; i < 100; ++i) fast.Record(milliseconds(1));
  EXPECT_EQ(fast.Delay(), milliseconds(50));
  HedgePolicy even(options);
  for (int i = 0; i < 100; ++i) even.Record(milliseconds(40));
  EXPECT_EQ(even.Delay(), milliseconds(120));
  HedgePolicy tailed(options);
  for (int i = 0; i < 98; ++i) tailed.Record(milliseconds(30));
  tailed.Record(milliseconds(700));
  tailed.Record(milliseconds(900));
  EXPECT_EQ(tailed.Delay(), milliseconds(900));
}

TEST(HedgePolicy, ForgetsWhatIsLongAgo) {
  HedgePolicy policy({.floor = nanoseconds(0), .medians = 1, .window = 10, .min_samples = 1});
  for (int i = 0; i < 10; ++i) policy.Record(milliseconds(900));
  for (int i = 0; i < 9; ++i) policy.Record(milliseconds(10));
  EXPECT_EQ(policy.Delay(), milliseconds(900));
  policy.Record(milliseconds(10));
  EXPECT_EQ(policy.Delay(), milliseconds(10));
}

class HedgingStoreTest : public testing::Test {
 protected:
  void Make(HedgeOptions options, double budget) {
    store_ = std::make_unique<HedgingStore>(
        inner_, timers_, std::make_shared<Budget>(BudgetRates{.burst = budget}), options);
  }
  // Starts a GET of which the result is to come.
  std::future<arrow::Result<GetResult>> Start(Scope scope = {}) {
    scope.costs = costs_;
    auto promise = std::make_shared<std::promise<arrow::Result<GetResult>>>();
    auto future = promise->get_future();
    store_->StartGet({.access = access_}, scope, [promise](arrow::Result<GetResult> result) {
      promise->set_value(std::move(result));
    });
    return future;
  }
  // One fast GET, so that every later one is late at once.
  void Teach() {
    auto taught = Start();
    inner_->FirstByte(0);
    inner_->Finish(0, BytesOf("taught"));
    taught.wait();
  }

  static constexpr HedgeOptions kEager{.floor = nanoseconds(0), .medians = 1, .min_samples = 1};

  const std::shared_ptr<Access> access_ = std::make_shared<Access>();
  const std::shared_ptr<Costs> costs_ = std::make_shared<Costs>();
  const std::shared_ptr<FakeStore> inner_ = std::make_shared<FakeStore>();
  const std::shared_ptr<TimerQueue> timers_ = std::make_shared<TimerQueue>();
  std::unique_ptr<HedgingStore> store_;
};

TEST_F(HedgingStoreTest, TheTwinWinsAndTheFirstIsCancelled) {
  Make(kEager, 10);
  Teach();
  auto result = Start();
  ASSERT_TRUE(inner_->WaitForGets(3));
  inner_->FirstByte(2);
  EXPECT_FALSE(inner_->Unavailable(1)) << "it was cancelled";
  inner_->Finish(2, BytesOf("twin"));
  EXPECT_EQ(result.get()->bytes->ToString(), "twin");
  EXPECT_EQ(costs_->hedges, 1);
}

TEST_F(HedgingStoreTest, TheFirstWinsAndTheTwinIsCancelled) {
  Make(kEager, 10);
  Teach();
  auto result = Start();
  ASSERT_TRUE(inner_->WaitForGets(3));
  inner_->FirstByte(1);
  EXPECT_FALSE(inner_->Unavailable(2)) << "it was cancelled";
  inner_->Finish(1, BytesOf("first"));
  EXPECT_EQ(result.get()->bytes->ToString(), "first");
}

TEST_F(HedgingStoreTest, AFailureWaitsForTheOther) {
  Make(kEager, 10);
  Teach();
  auto result = Start();
  ASSERT_TRUE(inner_->WaitForGets(3));
  inner_->Unavailable(1);
  EXPECT_NE(result.wait_for(milliseconds(0)), std::future_status::ready);
  inner_->FirstByte(2);
  inner_->Finish(2, BytesOf("twin"));
  EXPECT_EQ(result.get()->bytes->ToString(), "twin");
  // One that both would meet does not, and cancels the other.
  result = Start();
  ASSERT_TRUE(inner_->WaitForGets(5));
  inner_->Fail(3, {.code = ErrorCode::kNotFound});
  EXPECT_EQ(ErrorOf(result.get().status()).code, ErrorCode::kNotFound);
  EXPECT_FALSE(inner_->Unavailable(4));
}

TEST_F(HedgingStoreTest, BothMayFail) {
  Make(kEager, 10);
  Teach();
  auto result = Start();
  ASSERT_TRUE(inner_->WaitForGets(3));
  inner_->Unavailable(2);
  inner_->Unavailable(1);
  EXPECT_EQ(ErrorOf(result.get().status()).code, ErrorCode::kStorageUnavailable);
}

TEST_F(HedgingStoreTest, AStopEndsBoth) {
  Make(kEager, 10);
  Teach();
  std::stop_source stop;
  auto result = Start({.stop = stop.get_token()});
  ASSERT_TRUE(inner_->WaitForGets(3));
  stop.request_stop();
  EXPECT_EQ(ErrorOf(result.get().status()).code, ErrorCode::kCancelled);
  EXPECT_FALSE(inner_->Unavailable(1));
  EXPECT_FALSE(inner_->Unavailable(2));
}

// Waits until the timers that are due have been served: one that is due later has been.
void Settle(TimerQueue& timers) {
  std::promise<void> served;
  timers.Schedule(Clock::now() + milliseconds(1), {},
                  [&served](TimerQueue::Fired) { served.set_value(); });
  served.get_future().wait();
}

TEST_F(HedgingStoreTest, NoTwinWithoutBudgetOrSamples) {
  Make(kEager, 0);
  Teach();
  auto poor = Start();
  Settle(*timers_);
  EXPECT_EQ(inner_->gets(), 2U);
  inner_->Finish(1, BytesOf("x"));
  EXPECT_TRUE(poor.get().ok());
  HedgeOptions wary = kEager;
  wary.min_samples = 3;
  Make(wary, 10);
  auto unknown = Start();
  Settle(*timers_);
  EXPECT_EQ(inner_->gets(), 3U);
  inner_->Finish(2, BytesOf("x"));
  EXPECT_TRUE(unknown.get().ok());
  EXPECT_EQ(costs_->hedges, 0);
}

TEST_F(HedgingStoreTest, NoTwinOnceTheFirstByteIsThere) {
  HedgeOptions patient = kEager;
  patient.floor = std::chrono::seconds(3600);
  Make(patient, 10);
  Teach();
  inner_->on_get = [this](size_t index) { inner_->FirstByte(index); };
  auto result = Start();
  inner_->Finish(1, BytesOf("x"));
  EXPECT_TRUE(result.get().ok());
  store_.reset();  // would wait for the timer, had it not been taken back
  EXPECT_EQ(inner_->gets(), 2U);
}

}  // namespace
}  // namespace eider::store
