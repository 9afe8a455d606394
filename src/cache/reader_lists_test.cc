// Lists: asked for once at a time, remembered for a while, forgotten with what a write replaced.
#include <string_view>
#include <thread>

#include "cache/reader_fixture.h"

namespace eider::cache {
namespace {

class ReaderListsTest : public ReaderTest {
 protected:
  size_t Count(QueryReads& query, const std::string& prefix = "d/") {
    const auto listing = reader_->List(ListOf(prefix), query);
    EXPECT_TRUE(listing.ok()) << listing.status();
    return listing.ok() ? (*listing)->entries.size() : 0;
  }
};

TEST_F(ReaderListsTest, EveryPageIsInIt) {
  for (int i = 0; i < 7; ++i) store_->Put("d/" + std::to_string(i), "x");
  store_->SetPageKeys(3);
  EXPECT_EQ(Count(*Query()), 7U);
  EXPECT_EQ(store_->lists(), 3);
}

TEST_F(ReaderListsTest, AListMayBeGivenUpAfterAPage) {
  for (int i = 0; i < 7; ++i) store_->Put("d/" + std::to_string(i), "x");
  store_->SetPageKeys(3);
  const auto up_to = [](size_t keys) {
    return [keys](const Reader::Listing& so_far) { return so_far.entries.size() < keys; };
  };
  auto query = Query();
  auto listing = reader_->List(ListOf("d/"), *query, up_to(6));
  ASSERT_TRUE(listing.ok()) << listing.status();
  EXPECT_FALSE((*listing)->whole);
  EXPECT_TRUE((*listing)->entries.empty());
  EXPECT_EQ(store_->lists(), 2);
  // Who would give it up again needs no request; who wants all of it is not served by it.
  EXPECT_FALSE((*reader_->List(ListOf("d/"), *query, up_to(6)))->whole);
  EXPECT_FALSE((*reader_->List(ListOf("d/"), *Query(), up_to(6)))->whole);
  EXPECT_EQ(store_->lists(), 2);
  EXPECT_EQ(Count(*query), 7U);
  EXPECT_EQ(store_->lists(), 5);
  // What is there whole is given whole.
  EXPECT_TRUE((*reader_->List(ListOf("d/"), *query, up_to(6)))->whole);
  EXPECT_EQ(store_->lists(), 5);
}

TEST_F(ReaderListsTest, AQuerySeesOneListAndOthersAYoungOne) {
  store_->Put("d/1", "x");
  auto query = Query();
  EXPECT_EQ(Count(*query), 1U);
  store_->Put("d/2", "x");
  EXPECT_EQ(Count(*query), 1U);
  EXPECT_EQ(Count(*Query(Mode::kPassive)), 1U);
  EXPECT_EQ(store_->lists(), 1);
  for (const Mode mode : {Mode::kOff, Mode::kRefresh}) {
    auto asks = Query(mode);
    EXPECT_EQ(Count(*asks), 2U);
    EXPECT_EQ(Count(*asks), 2U);
  }
  EXPECT_EQ(store_->lists(), 3);
  ReaderOptions options;
  options.revalidate_ms = 0;
  Restart(options);
  store_->Forget();
  auto first = Query();
  EXPECT_EQ(Count(*first), 2U);
  EXPECT_EQ(Count(*Query()), 2U);
  EXPECT_EQ(Count(*first), 2U);
  EXPECT_EQ(store_->lists(), 2);
}

TEST_F(ReaderListsTest, AWriteForgetsTheListsThatNameIt) {
  store_->Put("d/1", "x");
  for (const char* written : {"s3://bucket/d/2", "s3://bucket/d/"}) {
    ASSERT_EQ(Count(*Query()), 1U);
    ASSERT_EQ(Count(*Query(), "e/"), 0U);
    store_->Forget();
    reader_->Invalidate(written, std::string_view(written).ends_with('/'));
    ASSERT_EQ(Count(*Query()), 1U);
    ASSERT_EQ(Count(*Query(), "e/"), 0U);
    EXPECT_EQ(store_->lists(), 1) << written;
  }
}

TEST_F(ReaderListsTest, ManyWhoAskAtOnceAskOnce) {
  store_->Put("d/1", "x");
  store_->Hold();
  std::stop_source stop;
  store::Scope scope;
  scope.stop = stop.get_token();
  auto first = Query(Mode::kUse, scope);
  auto second = Query();
  auto third = Query();
  std::thread begins([&] {
    const auto listing = reader_->List(ListOf("d/"), *first);
    EXPECT_EQ(CodeOf(listing.status()), base::ErrorCode::kCancelled);
  });
  ASSERT_TRUE(store_->AwaitHeld(1));
  std::thread waits([&] { EXPECT_EQ(Count(*second), 1U); });
  std::thread waits_too([&] { EXPECT_EQ(Count(*third), 1U); });
  EXPECT_TRUE(Eventually([&] {
    return second->counters().shared_fetches == 1 && third->counters().shared_fetches == 1;
  }));
  EXPECT_EQ(store_->lists(), 1);
  stop.request_stop();  // who asked gives up: the others ask themselves, once
  begins.join();
  EXPECT_TRUE(store_->AwaitHeld(1));
  store_->Release();
  waits.join();
  waits_too.join();
  EXPECT_EQ(store_->lists(), 2);
}

TEST_F(ReaderListsTest, AFailureIsNotRemembered) {
  store_->Put("d/1", "x");
  store_->FailNext(1, base::MakeError(base::ErrorCode::kStorageUnavailable, "out of order"));
  auto query = Query();
  EXPECT_FALSE(reader_->List(ListOf("d/"), *query).ok());
  EXPECT_EQ(Count(*query), 1U);
}

TEST_F(ReaderListsTest, WhatWasWrittenMeanwhileIsNotHidden) {
  store_->Put("d/1", "x");
  store_->Hold();
  std::thread before([&] { EXPECT_EQ(Count(*Query()), 1U); });
  ASSERT_TRUE(store_->AwaitHeld(1));
  reader_->Invalidate("s3://bucket/d/1", false);
  store_->Release();
  before.join();
  EXPECT_EQ(Count(*Query()), 1U);
  EXPECT_EQ(store_->lists(), 2);
}

}  // namespace
}  // namespace eider::cache
