// Which version of an object a query sees, and what finding it asks of S3.
#include <barrier>
#include <thread>
#include <vector>

#include "cache/reader_fixture.h"

namespace eider::cache {
namespace {

using Opening = Reader::Opening;
using Outcome = store::GetResult::Outcome;

class ReaderOpenTest : public ReaderTest {};

ReaderOptions Revalidate(int64_t ms) {
  ReaderOptions options;
  options.revalidate_ms = ms;
  return options;
}

TEST_F(ReaderOpenTest, ASmallObjectCostsOneRequestForAll) {
  const std::string bytes = Bytes(40'000);
  store_->Put("a", bytes);
  auto query = Query();
  EXPECT_EQ(*ReadAll(*query, "a"), bytes);
  EXPECT_EQ(*ReadAll(*query, "a"), bytes);
  EXPECT_EQ(store_->gets(), 1);
  EXPECT_EQ(store_->asked()[0].range.kind, store::Range::Kind::kSuffix);
  EXPECT_EQ(store_->asked()[0].range.length, 1 * kMiB);
  EXPECT_EQ(query->counters().opens, 1);
  EXPECT_EQ(query->counters().hits, 2);
  EXPECT_EQ(query->counters().cache_bytes, 80'000);
  EXPECT_EQ(query->counters().asked_bytes, 80'000);
  EXPECT_EQ(query->scope().costs->requests, 1);
}

TEST_F(ReaderOpenTest, TheTailOfALargeObjectIsDroppedToWholePages) {
  const std::string bytes = Bytes(3 * kMiB + 5'000);
  store_->Put("a", bytes);
  auto query = Query();
  const ObjectPtr object = *Open(*query, "a");
  // 1 MiB before the end lies within a page, which is not whole.
  ASSERT_TRUE(blocks_->AwaitPages(64));
  EXPECT_EQ(*Read(*query, "a", object, 3 * kMiB, 5'000), bytes.substr(3 * kMiB));
  EXPECT_EQ(store_->gets(), 1);
  const int64_t begin = 2 * kMiB;
  EXPECT_EQ(*Read(*query, "a", object, begin, 100), bytes.substr(begin, 100));
  EXPECT_EQ(store_->gets(), 2);
  EXPECT_EQ(store_->asked()[1].offset, begin);
  EXPECT_EQ(store_->asked()[1].bytes, kPageBytes);
  EXPECT_EQ(store_->asked()[1].if_match, object->version().etag);
}

TEST_F(ReaderOpenTest, AHeadOpensWithAPrefix) {
  const std::string bytes = Bytes(3 * kMiB);
  store_->Put("a", bytes);
  auto query = Query();
  const ObjectPtr object = *Open(*query, "a", Opening::kHead);
  EXPECT_EQ(*Read(*query, "a", object, 0, kMiB), bytes.substr(0, kMiB));
  ASSERT_EQ(store_->gets(), 1);
  EXPECT_EQ(store_->asked()[0].range.kind, store::Range::Kind::kSlice);
  EXPECT_EQ(store_->asked()[0].range.length, 1 * kMiB);
}

TEST_F(ReaderOpenTest, AnEmptyObjectOpens) {
  store_->Put("a", "");
  for (const Opening opening : {Opening::kTail, Opening::kHead}) {
    Restart({});
    auto query = Query();
    const ObjectPtr object = *Open(*query, "a", opening);
    EXPECT_EQ(object->version().size, 0);
    EXPECT_TRUE(reader_->Read(SourceOf("a"), object, 0, {}, *query).ok());
  }
}

TEST_F(ReaderOpenTest, YoungMetadataAsksNothing) {
  store_->Put("a", Bytes(100));
  EXPECT_EQ(*ReadAll(*Query(), "a"), Bytes(100));
  ASSERT_TRUE(blocks_->AwaitPages(1));
  store_->Put("a", Bytes(100, 2));
  EXPECT_EQ(*ReadAll(*Query(), "a"), Bytes(100));  // stale for no longer than revalidate
  EXPECT_EQ(*ReadAll(*Query(Mode::kPassive), "a"), Bytes(100));
  EXPECT_EQ(store_->gets(), 1);
}

TEST_F(ReaderOpenTest, WithRevalidateZeroAnUnchangedObjectCostsOneEmptyAnswer) {
  Restart(Revalidate(0));
  const auto version = store_->Put("a", Bytes(100));
  ASSERT_TRUE(ReadAll(*Query(), "a").ok());
  ASSERT_TRUE(blocks_->AwaitPages(1));
  EXPECT_EQ(*ReadAll(*Query(), "a"), Bytes(100));
  ASSERT_EQ(store_->gets(), 2);
  EXPECT_EQ(store_->asked()[1].if_none_match, version.etag);
  EXPECT_EQ(store_->asked()[1].outcome, Outcome::kNotModified);
  // One query asks once, however often it opens.
  auto query = Query();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(ReadAll(*query, "a").ok());
  EXPECT_EQ(store_->gets(), 3);
}

TEST_F(ReaderOpenTest, WithRevalidateZeroNothingIsStale) {
  Restart(Revalidate(0));
  for (uint64_t seed = 1; seed < 5; ++seed) {
    store_->Put("a", Bytes(50'000, seed));
    EXPECT_EQ(*ReadAll(*Query(), "a"), Bytes(50'000, seed));
  }
}

TEST_F(ReaderOpenTest, AnObjectWithoutAnETagIsToldBySizeAndTime) {
  Restart(Revalidate(0));
  store_->Put("a", Bytes(3 * kMiB), /*with_etag=*/false);
  auto query = Query();
  const ObjectPtr object = *Open(*query, "a");
  EXPECT_EQ(*Read(*query, "a", object, 0, 10), Bytes(3 * kMiB).substr(0, 10));
  store_->Put("a", Bytes(3 * kMiB, 2), /*with_etag=*/false);
  const auto read = Read(*query, "a", object, 1 * kMiB, 10);
  EXPECT_TRUE(IsObjectChanged(read.status())) << read.status();
  EXPECT_EQ(*ReadAll(*Query(), "a"), Bytes(3 * kMiB, 2));
}

TEST_F(ReaderOpenTest, WhatTheDiskKnowsIsAskedAboutAfterARestart) {
  const auto version = store_->Put("a", Bytes(3 * kMiB));
  for (const int64_t revalidate_ms : {10'000, -1}) {
    Restart(Revalidate(revalidate_ms));
    store_->Forget();
    const ObjectPtr before = blocks_->Intern("s3://bucket/a", version);
    const std::string bytes = Bytes(3 * kMiB);
    const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
    for (int64_t at = 0; at < 3 * kMiB; at += kMiB) blocks_->Write(*before, at, {data + at, kMiB});
    EXPECT_EQ(*ReadAll(*Query(), "a"), bytes);
    if (revalidate_ms < 0) {
      EXPECT_EQ(store_->gets(), 0);
    } else {
      ASSERT_EQ(store_->gets(), 1);
      EXPECT_EQ(store_->asked()[0].outcome, Outcome::kNotModified);
    }
  }
}

TEST_F(ReaderOpenTest, WhatAListSaidIsBelieved) {
  const auto version = store_->Put("a", Bytes(3 * kMiB));
  Restart(Revalidate(0));
  auto query = Query();
  const ObjectPtr object = *Open(*query, "a", Opening::kTail, version);
  EXPECT_EQ(object->version(), version);
  EXPECT_EQ(store_->gets(), 0);
  EXPECT_EQ(*Read(*query, "a", object, 0, 10), Bytes(3 * kMiB).substr(0, 10));
}

TEST_F(ReaderOpenTest, AnObjectKnownToBeLargeOpensWithLess) {
  store_->Put("a", Bytes(3 * kMiB));
  ASSERT_TRUE(Open(*Query(), "a").ok());
  ASSERT_TRUE(blocks_->AwaitPages(64));
  blocks_->Clear();
  store_->Put("a", Bytes(3 * kMiB + 100, 2));
  Restart(Revalidate(0));
  ASSERT_TRUE(Open(*Query(), "a").ok());
  store_->Put("a", Bytes(3 * kMiB + 100, 3));
  store_->Forget();
  ASSERT_TRUE(Open(*Query(), "a").ok());
  ASSERT_EQ(store_->gets(), 1);
  EXPECT_LE(store_->asked()[0].bytes, 64 * kKiB);
  EXPECT_GT(store_->asked()[0].bytes, 32 * kKiB);
}

TEST_F(ReaderOpenTest, OffAsksEachQueryAndKeepsNothing) {
  store_->Put("a", Bytes(100));
  ASSERT_TRUE(ReadAll(*Query(), "a").ok());
  ASSERT_TRUE(blocks_->AwaitPages(1));
  store_->Put("a", Bytes(100, 2));
  auto query = Query(Mode::kOff);
  EXPECT_EQ(*ReadAll(*query, "a"), Bytes(100, 2));
  EXPECT_EQ(*ReadAll(*query, "a"), Bytes(100, 2));
  EXPECT_EQ(store_->gets(), 2);
  ASSERT_TRUE(ReadAll(*Query(Mode::kOff), "a").ok());
  EXPECT_EQ(store_->gets(), 3);
  EXPECT_EQ(blocks_->pages(), 1U);
}

TEST_F(ReaderOpenTest, RefreshForgetsFirstAndThenFills) {
  store_->Put("a", Bytes(100));
  ASSERT_TRUE(ReadAll(*Query(), "a").ok());
  ASSERT_TRUE(blocks_->AwaitPages(1));
  auto query = Query(Mode::kRefresh);
  EXPECT_EQ(*ReadAll(*query, "a"), Bytes(100));
  EXPECT_EQ(*ReadAll(*query, "a"), Bytes(100));
  ASSERT_EQ(store_->gets(), 2);
  EXPECT_EQ(store_->asked()[1].if_none_match, "");
  EXPECT_EQ(store_->asked()[1].bytes, 100);
  ASSERT_TRUE(blocks_->AwaitPages(1));
  ASSERT_TRUE(ReadAll(*Query(), "a").ok());
  EXPECT_EQ(store_->gets(), 2);
}

TEST_F(ReaderOpenTest, TwoFirstOpensOfOneQueryMakeOneRequest) {
  for (const int64_t revalidate_ms : {10'000, 0}) {
    for (const Mode mode : {Mode::kUse, Mode::kOff, Mode::kRefresh, Mode::kPassive}) {
      Restart(Revalidate(revalidate_ms));
      store_->Put("a", Bytes(100));
      store_->Forget();
      auto query = Query(mode);
      std::barrier start(8);
      std::vector<std::thread> threads;
      for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
          start.arrive_and_wait();
          EXPECT_EQ(*ReadAll(*query, "a"), Bytes(100));
        });
      }
      for (std::thread& thread : threads) thread.join();
      EXPECT_EQ(store_->gets(), 1) << static_cast<int>(mode) << " " << revalidate_ms;
      EXPECT_EQ(query->counters().opens, 1);
    }
  }
}

TEST_F(ReaderOpenTest, AFailureIsOfThatOpenAlone) {
  store_->Put("a", Bytes(100));
  store_->FailNext(1, base::MakeError(base::ErrorCode::kStorageUnavailable, "out of order"));
  auto query = Query();
  const auto opened = Open(*query, "a");
  EXPECT_EQ(CodeOf(opened.status()), base::ErrorCode::kStorageUnavailable);
  EXPECT_FALSE(IsObjectChanged(opened.status()));
  EXPECT_EQ(*ReadAll(*query, "a"), Bytes(100));
  EXPECT_EQ(CodeOf(Open(*query, "none").status()), base::ErrorCode::kNotFound);
}

TEST_F(ReaderOpenTest, AnothersCredentialsFailOnlyTheirOwner) {
  store_->Put("a", Bytes(100));
  store_->Hold();
  auto first = Query();
  auto second = Query();
  std::thread bad([&] {
    const auto opened = reader_->Open(SourceOf("a", "bad"), Opening::kTail, std::nullopt, *first);
    EXPECT_EQ(CodeOf(opened.status()), base::ErrorCode::kPermissionDenied);
  });
  ASSERT_TRUE(store_->AwaitHeld(1));
  std::thread good([&] { EXPECT_EQ(*ReadAll(*second, "a"), Bytes(100)); });
  EXPECT_TRUE(Eventually([&] { return second->counters().shared_fetches == 1; }));
  store_->Release();
  bad.join();
  good.join();
}

TEST_F(ReaderOpenTest, ACancelledOpenLeavesTheOthersWaiting) {
  store_->Put("a", Bytes(100));
  store_->Hold();
  std::stop_source stop;
  store::Scope scope;
  scope.stop = stop.get_token();
  auto first = Query(Mode::kUse, scope);
  auto second = Query();
  std::thread cancelled(
      [&] { EXPECT_EQ(CodeOf(Open(*first, "a").status()), base::ErrorCode::kCancelled); });
  ASSERT_TRUE(store_->AwaitHeld(1));
  std::thread other([&] { EXPECT_EQ(*ReadAll(*second, "a"), Bytes(100)); });
  EXPECT_TRUE(Eventually([&] { return second->counters().shared_fetches == 1; }));
  stop.request_stop();
  cancelled.join();
  store_->Release();
  other.join();
  EXPECT_EQ(store_->gets(), 1);
  EXPECT_EQ(store_->cancelled(), 0);
}

TEST_F(ReaderOpenTest, WithRevalidateZeroAnAnswerAskedForBeforeTheQueryIsNotShared) {
  store_->Put("a", Bytes(100));
  for (const Mode mode : {Mode::kUse, Mode::kOff}) {
    Restart(Revalidate(mode == Mode::kUse ? 0 : 10'000));
    store_->Hold();
    auto first = Query(mode);
    auto beside = Query(mode);  // had begun when the first asked: that answer is news to it
    std::thread asks([&] { EXPECT_EQ(*ReadAll(*first, "a"), Bytes(100)); });
    ASSERT_TRUE(store_->AwaitHeld(1));
    std::thread shares([&] { EXPECT_EQ(*ReadAll(*beside, "a"), Bytes(100)); });
    EXPECT_TRUE(Eventually([&] { return beside->counters().shared_fetches == 1; }));
    auto later = Query(mode);
    std::thread asks_too([&] { EXPECT_EQ(*ReadAll(*later, "a"), Bytes(100)); });
    EXPECT_TRUE(store_->AwaitHeld(2));
    store_->Release();
    asks.join();
    shares.join();
    asks_too.join();
  }
}

TEST_F(ReaderOpenTest, InvalidatedWhileItIsOpenedItIsNotRemembered) {
  store_->Put("a", Bytes(100));
  store_->Hold();
  auto first = Query();
  std::thread before([&] { EXPECT_TRUE(ReadAll(*first, "a").ok()); });
  ASSERT_TRUE(store_->AwaitHeld(1));
  reader_->Invalidate("s3://bucket/a", false);
  // Who comes after a write does not share an answer from before it.
  std::thread after([&] { EXPECT_TRUE(ReadAll(*Query(), "a").ok()); });
  EXPECT_TRUE(store_->AwaitHeld(2));
  reader_->Invalidate("s3://bucket/", true);
  store_->Release();
  before.join();
  after.join();
  EXPECT_EQ(blocks_->pages(), 0U);
  ASSERT_TRUE(ReadAll(*Query(), "a").ok());
  EXPECT_EQ(store_->gets(), 3);
}

TEST_F(ReaderOpenTest, WhatIsInvalidatedIsAskedForAgain) {
  store_->Put("d/a", Bytes(100));
  store_->Put("d/b", Bytes(100));
  for (const char* key : {"d/a", "d/b"}) ASSERT_TRUE(ReadAll(*Query(), key).ok());
  ASSERT_TRUE(blocks_->AwaitPages(2));
  store_->Put("d/a", Bytes(100, 2));
  reader_->Invalidate("s3://bucket/d/a", false);
  EXPECT_EQ(blocks_->pages(), 1U);
  EXPECT_EQ(*ReadAll(*Query(), "d/a"), Bytes(100, 2));
  store_->Put("d/b", Bytes(100, 2));
  reader_->Invalidate("s3://bucket/d/", true);
  EXPECT_EQ(*ReadAll(*Query(), "d/b"), Bytes(100, 2));
  store_->Put("d/b", Bytes(100, 3));
  reader_->Clear();
  EXPECT_EQ(*ReadAll(*Query(), "d/b"), Bytes(100, 3));
}

}  // namespace
}  // namespace eider::cache
