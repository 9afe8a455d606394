// Which bytes are asked of S3, how often, and what becomes of those who wait for them.
#include <barrier>
#include <map>
#include <thread>
#include <vector>

#include "cache/reader_fixture.h"

namespace eider::cache {
namespace {

constexpr int64_t kSize = 3 * kMiB + 5'000;

class ReaderReadTest : public ReaderTest {
 protected:
  // How often each page of each version was sent.
  std::map<std::pair<std::string, int64_t>, int> SentPages() const {
    std::map<std::pair<std::string, int64_t>, int> sent;
    for (const FakeStore::Asked& asked : store_->asked()) {
      const int64_t end = asked.offset + asked.bytes;
      const int64_t first = (asked.offset + kPageBytes - 1) / kPageBytes;
      for (int64_t page = first; page * kPageBytes < end; ++page) ++sent[{asked.etag, page}];
    }
    return sent;
  }
  // An object of kSize whose version is known, with nothing of it fetched.
  ObjectPtr Known(QueryReads& query, const std::string& key = "a") {
    const store::Version version = store_->Put(key, Bytes(kSize));
    return *Open(query, key, Reader::Opening::kTail, version);
  }
  // The same for another query.
  void OpenToo(QueryReads& query, const ObjectPtr& object) {
    const auto opened = Open(query, "a", Reader::Opening::kTail, object->version());
    ASSERT_TRUE(opened.ok());
    ASSERT_EQ(*opened, object);
  }
};

TEST_F(ReaderReadTest, NeighbouringPagesAreOneRequestAndOthersGoOutTogether) {
  auto query = Query();
  const ObjectPtr object = Known(*query);
  ASSERT_TRUE(Read(*query, "a", object, 5 * kPageBytes + 7, 10).ok());
  ASSERT_TRUE(blocks_->AwaitPages(1));
  store_->Forget();
  store_->Hold();
  std::thread reader(
      [&] { EXPECT_EQ(*Read(*query, "a", object, 0, kMiB), Bytes(kSize).substr(0, kMiB)); });
  EXPECT_TRUE(store_->AwaitHeld(2));  // before either has an answer
  store_->Release();
  reader.join();
  EXPECT_EQ(store_->gets(), 2);
  EXPECT_EQ(query->counters().cache_bytes, kPageBytes);
  for (const auto& [page, times] : SentPages()) EXPECT_EQ(times, 1) << page.second;
}

TEST_F(ReaderReadTest, ALongReadIsCutIntoRequests) {
  ReaderOptions options;
  options.max_fetch_bytes = kMiB;
  Restart(options);
  auto query = Query();
  const ObjectPtr object = Known(*query);
  store_->Hold();
  std::thread reader([&] { EXPECT_EQ(*Read(*query, "a", object, 0, kSize), Bytes(kSize)); });
  EXPECT_TRUE(store_->AwaitHeld(4));
  store_->Release();
  reader.join();
  EXPECT_EQ(store_->gets(), 4);
}

TEST_F(ReaderReadTest, ACachedReadIsOneReadOfEachBlock) {
  auto query = Query();
  const ObjectPtr object = Known(*query);
  ASSERT_TRUE(Read(*query, "a", object, 0, kSize).ok());
  ASSERT_TRUE(blocks_->AwaitPages(193));
  auto warm = Query();
  OpenToo(*warm, object);
  blocks_->ForgetCalls();
  EXPECT_EQ(*Read(*warm, "a", object, kMiB - 50, 100), Bytes(kSize).substr(kMiB - 50, 100));
  EXPECT_EQ(blocks_->read_calls(), 2);
  // Each is a use, by which eviction goes. The writer of the pages looks once at each block itself.
  EXPECT_GE(blocks_->pages_calls(), 2);
  EXPECT_LE(blocks_->pages_calls(), 2 + 4);
  EXPECT_EQ(warm->counters().hits, 1);
  EXPECT_EQ(warm->counters().misses, 0);
  EXPECT_EQ(store_->gets(), 1);
}

TEST_F(ReaderReadTest, PagesThatAreBeingWrittenAreFoundAllTheSame) {
  auto query = Query();
  const ObjectPtr object = Known(*query);
  blocks_->HoldWrites(true);
  ASSERT_TRUE(Read(*query, "a", object, 0, 100).ok());
  EXPECT_EQ(store_->gets(), 1);
  ASSERT_TRUE(blocks_->AwaitHeldWrite());
  auto other = Query();
  OpenToo(*other, object);
  EXPECT_EQ(*Read(*other, "a", object, 50, 100), Bytes(kSize).substr(50, 100));
  EXPECT_EQ(store_->gets(), 1);
  blocks_->HoldWrites(false);
}

TEST_F(ReaderReadTest, AStampedeFetchesEachPageOnce) {
  constexpr int kClients = 64;
  store_->Put("a", Bytes(kSize));
  store_->Hold();
  std::vector<std::unique_ptr<QueryReads>> queries;
  for (int i = 0; i < kClients; ++i) queries.push_back(Query());
  const auto shared = [&] {
    int64_t sum = 0;
    for (const auto& query : queries) sum += query->counters().shared_fetches;
    return sum;
  };
  std::barrier opened(kClients + 1);
  std::barrier held_again(kClients + 1);
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&, i] {
      const auto object = Open(*queries[i], "a");
      opened.arrive_and_wait();
      held_again.arrive_and_wait();
      ASSERT_TRUE(object.ok());
      EXPECT_EQ(*Read(*queries[i], "a", *object, 0, kSize), Bytes(kSize));
    });
  }
  // It is one only if all of them wait before the first answer.
  EXPECT_TRUE(Eventually([&] { return shared() == kClients - 1; })) << shared();
  EXPECT_EQ(store_->gets(), 1);
  store_->Release();
  opened.arrive_and_wait();
  store_->Hold();
  held_again.arrive_and_wait();
  EXPECT_TRUE(Eventually([&] { return shared() == 2 * (kClients - 1); })) << shared();
  EXPECT_EQ(store_->gets(), 2);
  store_->Release();
  for (std::thread& client : clients) client.join();
  const auto sent = SentPages();
  EXPECT_EQ(sent.size(), 193U);
  for (const auto& [page, times] : sent) EXPECT_EQ(times, 1) << page.second;
  int64_t requests = 0;
  for (const auto& query : queries) requests += query->scope().costs->requests;
  EXPECT_EQ(requests, 2);
}

TEST_F(ReaderReadTest, WithoutADiskAQueryFetchesNothingTwice) {
  for (const Mode mode : {Mode::kUse, Mode::kOff, Mode::kPassive}) {
    for (const int disk : {0, 1, 2}) {  // none, a full one, a good one
      if (mode == Mode::kUse && disk == 2) continue;
      Restart({}, disk != 0);
      if (disk == 1) blocks_->Disable();
      auto query = Query(mode);
      const ObjectPtr object = Known(*query);
      store_->Forget();
      for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(*Read(*query, "a", object, 100, kMiB), Bytes(kSize).substr(100, kMiB));
      }
      EXPECT_EQ(*Read(*query, "a", object, kMiB, kMiB), Bytes(kSize).substr(kMiB, kMiB));
      EXPECT_EQ(store_->gets(), 2) << static_cast<int>(mode) << disk;
      for (const auto& [page, times] : SentPages()) EXPECT_EQ(times, 1) << page.second;
      if (disk != 0) {
        EXPECT_EQ(blocks_->pages(), 0U);
      }
    }
  }
}

TEST_F(ReaderReadTest, WithAFullDiskWhoWaitedKeepsWhatItWaitedFor) {
  blocks_->Disable();
  auto first = Query();
  const ObjectPtr object = Known(*first);
  auto second = Query();
  OpenToo(*second, object);
  store_->Hold();
  const auto read = [&](QueryReads& query) {
    EXPECT_EQ(*Read(query, "a", object, 0, 10), Bytes(kSize).substr(0, 10));
  };
  std::thread begins([&] { read(*first); });
  ASSERT_TRUE(store_->AwaitHeld(1));
  std::thread waits([&] { read(*second); });
  EXPECT_TRUE(Eventually([&] { return second->counters().shared_fetches == 1; }));
  store_->Release();
  begins.join();
  waits.join();
  EXPECT_EQ(store_->gets(), 1);
  // The flight itself is gone once the next one is being written.
  ASSERT_TRUE(Read(*first, "a", object, kMiB, 10).ok());
  ASSERT_TRUE(blocks_->AwaitWrites(2));
  read(*first);
  read(*second);
  EXPECT_EQ(store_->gets(), 2);
}

TEST_F(ReaderReadTest, WhereTheDiskTookAPartOfAFetchTheQueryKeepsIt) {
  blocks_->Disable(/*after_writes=*/1);
  auto query = Query();
  const ObjectPtr object = Known(*query);
  ASSERT_TRUE(Read(*query, "a", object, kMiB / 2, kMiB).ok());  // of two blocks
  ASSERT_TRUE(Read(*query, "a", object, 2 * kMiB, 10).ok());
  ASSERT_TRUE(blocks_->AwaitWrites(3));  // the first flight is gone
  EXPECT_EQ(blocks_->pages(), 32U);
  EXPECT_EQ(*Read(*query, "a", object, kMiB / 2, kMiB), Bytes(kSize).substr(kMiB / 2, kMiB));
  EXPECT_EQ(store_->gets(), 2);
}

TEST_F(ReaderReadTest, WithAFullDiskWhoWaitedForAnOpeningKeepsItToo) {
  blocks_->Disable();
  store_->Put("a", Bytes(100));
  store_->Hold();
  auto first = Query();
  auto second = Query();
  std::thread begins([&] { EXPECT_EQ(*ReadAll(*first, "a"), Bytes(100)); });
  ASSERT_TRUE(store_->AwaitHeld(1));
  std::thread waits([&] { EXPECT_EQ(*ReadAll(*second, "a"), Bytes(100)); });
  EXPECT_TRUE(Eventually([&] { return second->counters().shared_fetches == 1; }));
  store_->Release();
  begins.join();
  waits.join();
  store_->Put("b", Bytes(100));
  ASSERT_TRUE(ReadAll(*Query(), "b").ok());
  ASSERT_TRUE(blocks_->AwaitWrites(2));  // the flight of the first is gone
  store_->Forget();
  for (QueryReads* query : {first.get(), second.get()}) {
    EXPECT_EQ(*ReadAll(*query, "a"), Bytes(100));
  }
  EXPECT_EQ(store_->gets(), 0);
}

TEST_F(ReaderReadTest, AQuerysMemoryIsBounded) {
  auto query = std::make_unique<QueryReads>(Mode::kOff, store::Scope{}, 2 * kPageBytes);
  const ObjectPtr object = Known(*query);
  const auto read = [&](int64_t page) {
    ASSERT_TRUE(Read(*query, "a", object, page * kPageBytes, 10).ok());
  };
  for (const int64_t page : {0, 10, 20}) read(page);  // 0 has to go
  for (const int64_t page : {10, 20}) read(page);
  EXPECT_EQ(store_->gets(), 3);
  read(0);
  EXPECT_EQ(store_->gets(), 4);
}

TEST_F(ReaderReadTest, PassiveReadsTheDiskAndOffDoesNot) {
  auto query = Query();
  const ObjectPtr object = Known(*query);
  ASSERT_TRUE(Read(*query, "a", object, 0, kSize).ok());
  ASSERT_TRUE(blocks_->AwaitPages(193));
  store_->Forget();
  auto passive = Query(Mode::kPassive);
  OpenToo(*passive, object);
  EXPECT_EQ(*Read(*passive, "a", object, 0, kMiB), Bytes(kSize).substr(0, kMiB));
  EXPECT_EQ(store_->gets(), 0);
  auto off = Query(Mode::kOff);
  OpenToo(*off, object);
  blocks_->ForgetCalls();
  EXPECT_EQ(*Read(*off, "a", object, 0, kMiB), Bytes(kSize).substr(0, kMiB));
  EXPECT_EQ(store_->gets(), 1);
  EXPECT_EQ(blocks_->read_calls(), 0);
}

TEST_F(ReaderReadTest, AChangedObjectIsDroppedAndSaysSo) {
  auto query = Query();
  const ObjectPtr object = Known(*query);
  ASSERT_TRUE(Read(*query, "a", object, 0, kMiB).ok());
  ASSERT_TRUE(blocks_->AwaitPages(64));
  store_->Put("a", Bytes(kSize, 2));
  const auto status = Read(*query, "a", object, 2 * kMiB, 100).status();
  EXPECT_TRUE(IsObjectChanged(status)) << status;
  EXPECT_TRUE(base::ErrorOf(status).retryable);
  EXPECT_NE(status.message().find("s3://bucket/a changed while it was read"), std::string::npos);
  EXPECT_EQ(blocks_->pages(), 0U);
  EXPECT_EQ(*ReadAll(*Query(), "a"), Bytes(kSize, 2));  // on one consistent version
}

TEST_F(ReaderReadTest, AChangeShowsWhereTheServerKnowsNoIfMatch) {
  store_->IgnoreIfMatch();
  auto query = Query();
  const ObjectPtr object = Known(*query);
  store_->Put("a", Bytes(kSize, 2));
  const auto status = Read(*query, "a", object, 0, 100).status();
  EXPECT_TRUE(IsObjectChanged(status)) << status;
}

TEST_F(ReaderReadTest, AFailureFailsAllWhoWaitAndIsNotRemembered) {
  auto first = Query();
  const ObjectPtr object = Known(*first);
  auto second = Query();
  OpenToo(*second, object);
  store_->Hold();
  store_->FailNext(1, base::MakeError(base::ErrorCode::kStorageUnavailable, "out of order"));
  const auto fails = [&](QueryReads& query) {
    const auto status = Read(query, "a", object, 0, 10).status();
    EXPECT_EQ(CodeOf(status), base::ErrorCode::kStorageUnavailable) << status;
  };
  std::thread begins([&] { fails(*first); });
  ASSERT_TRUE(store_->AwaitHeld(1));
  std::thread waits([&] { fails(*second); });
  EXPECT_TRUE(Eventually([&] { return second->counters().shared_fetches == 1; }));
  store_->Release();
  begins.join();
  waits.join();
  EXPECT_EQ(store_->faults(), 1);
  EXPECT_TRUE(Read(*first, "a", object, 0, 10).ok());
}

TEST_F(ReaderReadTest, TheLastToLeaveCancels) {
  std::stop_source stop;
  store::Scope scope;
  scope.stop = stop.get_token();
  auto first = Query(Mode::kUse, scope);
  const ObjectPtr object = Known(*first);
  auto second = Query();
  OpenToo(*second, object);
  store_->Hold();
  std::thread begins([&] {
    EXPECT_EQ(CodeOf(Read(*first, "a", object, 0, 10).status()), base::ErrorCode::kCancelled);
  });
  ASSERT_TRUE(store_->AwaitHeld(1));
  std::thread waits(
      [&] { EXPECT_EQ(*Read(*second, "a", object, 0, 10), Bytes(kSize).substr(0, 10)); });
  EXPECT_TRUE(Eventually([&] { return second->counters().shared_fetches == 1; }));
  stop.request_stop();
  begins.join();
  EXPECT_EQ(store_->cancelled(), 0);  // somebody still waits
  store_->Release();
  waits.join();

  store_->Hold();
  std::stop_source last;
  scope.stop = last.get_token();
  auto third = Query(Mode::kUse, scope);
  OpenToo(*third, object);
  std::thread alone([&] {
    EXPECT_EQ(CodeOf(Read(*third, "a", object, kMiB, 10).status()), base::ErrorCode::kCancelled);
  });
  ASSERT_TRUE(store_->AwaitHeld(1));
  last.request_stop();
  alone.join();
  EXPECT_TRUE(Eventually([&] { return store_->cancelled() == 1; }));
}

TEST_F(ReaderReadTest, ADeadlineEndsTheWait) {
  store::Scope scope;
  scope.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(30);
  auto query = Query(Mode::kUse, scope);
  const ObjectPtr object = Known(*query);
  store_->Hold();
  const auto status = Read(*query, "a", object, 0, 10).status();
  EXPECT_EQ(CodeOf(status), base::ErrorCode::kDeadlineExceeded) << status;
}

TEST_F(ReaderReadTest, APrefetchIsWaitedForAndNotFetchedAgain) {
  auto query = Query();
  const ObjectPtr object = Known(*query);
  store_->Hold();
  reader_->Prefetch(SourceOf("a"), object, {{0, 100}, {10, 200}, {kMiB, kMiB}}, *query);
  EXPECT_TRUE(store_->AwaitHeld(2));
  auto other = Query();
  OpenToo(*other, object);
  std::thread reads(
      [&] { EXPECT_EQ(*Read(*other, "a", object, kMiB, kMiB), Bytes(kSize).substr(kMiB, kMiB)); });
  EXPECT_TRUE(Eventually([&] { return other->counters().shared_fetches == 1; }));
  store_->Release();
  reads.join();
  ASSERT_TRUE(blocks_->AwaitPages(65));
  EXPECT_EQ(store_->gets(), 2);
  reader_->Prefetch(SourceOf("a"), object, {{0, 100}, {kMiB, kMiB}}, *query);
  EXPECT_EQ(store_->gets(), 2);
}

TEST_F(ReaderReadTest, APrefetchIsBoundedAndEndsWithItsQuery) {
  ReaderOptions options;
  options.max_prefetch_bytes = kMiB;
  Restart(options);
  auto query = Query();
  const ObjectPtr object = Known(*query);
  store_->Hold();
  reader_->Prefetch(SourceOf("a"), object, {{0, kMiB}}, *query);
  reader_->Prefetch(SourceOf("a"), object, {{2 * kMiB, kMiB}}, *query);
  EXPECT_EQ(store_->gets(), 1);
  query.reset();
  EXPECT_TRUE(Eventually([&] { return store_->cancelled() == 1; }));
  auto next = Query();
  OpenToo(*next, object);
  EXPECT_TRUE(Eventually([&] {  // there is room again once the reader has heard of it
    reader_->Prefetch(SourceOf("a"), object, {{2 * kMiB, kMiB}}, *next);
    return store_->gets() == 2;
  }));
}

TEST_F(ReaderReadTest, WhatWasInvalidatedOnItsWayIsNotKept) {
  auto query = Query();
  const ObjectPtr object = Known(*query);
  store_->Hold();
  std::thread reads([&] { EXPECT_TRUE(Read(*query, "a", object, 0, 10).ok()); });
  ASSERT_TRUE(store_->AwaitHeld(1));
  reader_->Invalidate("s3://bucket/a", false);
  store_->Release();
  reads.join();
  reader_->Clear();  // waits for a write that is going on
  FakeBlocks* const blocks = blocks_;
  EXPECT_EQ(blocks->pages(), 0U);
}

TEST_F(ReaderReadTest, WhatWaitsToBeWrittenWhenItIsInvalidatedIsNotKept) {
  auto query = Query();
  const ObjectPtr object = Known(*query);
  blocks_->HoldWrites(true);
  ASSERT_TRUE(Read(*query, "a", object, 0, 10).ok());
  ASSERT_TRUE(blocks_->AwaitHeldWrite());
  ASSERT_TRUE(Read(*query, "a", object, kMiB, 10).ok());  // queued behind it
  std::thread invalidates([&] { reader_->Invalidate("s3://bucket/a", false); });
  blocks_->HoldWrites(false);
  invalidates.join();
  reader_->Invalidate("s3://bucket/a", false);
  EXPECT_EQ(blocks_->pages(), 0U);
}

TEST_F(ReaderReadTest, TheEndOfTheReaderCancelsWhatIsUnderWay) {
  auto query = Query();
  const ObjectPtr object = Known(*query);
  store_->Hold();
  reader_->Prefetch(SourceOf("a"), object, {{0, kMiB}}, *query);
  ASSERT_TRUE(store_->AwaitHeld(1));
  reader_.reset();
  blocks_ = nullptr;
  EXPECT_EQ(store_->cancelled(), 1);
}

}  // namespace
}  // namespace eider::cache
