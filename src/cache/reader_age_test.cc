// How long what S3 said is believed, to the millisecond, and how much of it is remembered.
#include <thread>

#include "cache/reader_fixture.h"

namespace eider::cache {
namespace {

constexpr int64_t kRevalidateMs = 10'000;
constexpr int64_t kYearMs = 365LL * 24 * 3600 * 1000;

class ReaderAgeTest : public ReaderTest {
 protected:
  void StartReader(ReaderOptions options) {
    options.clock = &clock_;
    Restart(options);
    store_->Forget();
  }
  void StartReader(int64_t revalidate_ms) {
    ReaderOptions options;
    options.revalidate_ms = revalidate_ms;
    StartReader(options);
  }
  // GETs and lists that one new query makes for it.
  int RequestsOf(const std::string& key, Mode mode = Mode::kUse) {
    const int before = store_->gets();
    EXPECT_TRUE(ReadAll(*Query(mode), key).ok());
    return store_->gets() - before;
  }
  int ListsOf(const std::string& prefix, Mode mode = Mode::kUse) {
    const int before = store_->lists();
    EXPECT_TRUE(reader_->List(ListOf(prefix), *Query(mode)).ok());
    return store_->lists() - before;
  }

  base::ManualClock clock_;
};

TEST_F(ReaderAgeTest, AnObjectIsAskedAboutAgainAtRevalidateAndNotBefore) {
  StartReader(kRevalidateMs);
  clock_.Advance(12'345);
  store_->Put("a", Bytes(100));
  EXPECT_EQ(RequestsOf("a"), 1);
  ASSERT_TRUE(blocks_->AwaitPages(1));
  store_->Put("a", Bytes(100, 2));
  clock_.Advance(kRevalidateMs - 1);
  EXPECT_EQ(*ReadAll(*Query(), "a"), Bytes(100));
  EXPECT_EQ(*ReadAll(*Query(Mode::kPassive), "a"), Bytes(100));
  EXPECT_EQ(store_->gets(), 1);
  clock_.Advance(1);
  EXPECT_EQ(*ReadAll(*Query(), "a"), Bytes(100, 2));
  EXPECT_EQ(store_->gets(), 2);
  // The answer is as young as a first one, and so is "it has not changed".
  ASSERT_TRUE(blocks_->AwaitPages(2));
  for (int i = 0; i < 2; ++i) {
    clock_.Advance(kRevalidateMs - 1);
    EXPECT_EQ(RequestsOf("a"), 0);
    clock_.Advance(1);
    EXPECT_EQ(RequestsOf("a"), 1);
    EXPECT_EQ(store_->asked().back().outcome, store::GetResult::Outcome::kNotModified);
  }
}

TEST_F(ReaderAgeTest, TheAgeBeginsWhenS3IsAskedAndNotWhenItAnswers) {
  StartReader(kRevalidateMs);
  store_->Put("a", Bytes(100));
  store_->Put("d/1", "x");
  store_->Hold();
  std::thread reads([&] { EXPECT_TRUE(ReadAll(*Query(), "a").ok()); });
  ASSERT_TRUE(store_->AwaitHeld(1));
  std::thread lists([&] { EXPECT_EQ(ListsOf("d/"), 1); });
  ASSERT_TRUE(store_->AwaitHeld(2));
  clock_.Advance(4'000);
  store_->Release();
  reads.join();
  lists.join();
  ASSERT_TRUE(blocks_->AwaitPages(1));
  clock_.Advance(kRevalidateMs - 4'000 - 1);
  EXPECT_EQ(RequestsOf("a"), 0);
  EXPECT_EQ(ListsOf("d/"), 0);
  clock_.Advance(1);
  EXPECT_EQ(RequestsOf("a"), 1);
  EXPECT_EQ(ListsOf("d/"), 1);
}

TEST_F(ReaderAgeTest, AListIsAskedForAgainAtRevalidateAndNotBefore) {
  StartReader(kRevalidateMs);
  clock_.Advance(12'345);
  EXPECT_EQ(ListsOf("d/"), 1);
  clock_.Advance(kRevalidateMs - 1);
  EXPECT_EQ(ListsOf("d/"), 0);
  clock_.Advance(1);
  EXPECT_EQ(ListsOf("d/"), 1);
  clock_.Advance(kRevalidateMs - 1);
  EXPECT_EQ(ListsOf("d/"), 0);
}

TEST_F(ReaderAgeTest, WithRevalidateZeroEachQueryAsksThoughNoTimeHasPassed) {
  StartReader(0);
  store_->Put("a", Bytes(100));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(RequestsOf("a"), 1);
    ASSERT_TRUE(blocks_->AwaitPages(1));
    EXPECT_EQ(ListsOf("d/"), 1);
  }
}

TEST_F(ReaderAgeTest, WithRevalidateNeverObjectsAreNotAskedAboutAndListsStillAre) {
  StartReader(-1);
  store_->Put("a", Bytes(100));
  EXPECT_EQ(RequestsOf("a"), 1);
  ASSERT_TRUE(blocks_->AwaitPages(1));
  EXPECT_EQ(ListsOf("d/"), 1);
  clock_.Advance(config::kMaxListAgeMs - 1);
  EXPECT_EQ(ListsOf("d/"), 0);
  clock_.Advance(1);
  EXPECT_EQ(ListsOf("d/"), 1);
  clock_.Advance(kYearMs);
  EXPECT_EQ(RequestsOf("a"), 0);
}

TEST_F(ReaderAgeTest, ModesThatBelieveNothingAskHoweverYoungItIs) {
  StartReader(kRevalidateMs);
  store_->Put("a", Bytes(100));
  EXPECT_EQ(RequestsOf("a"), 1);
  EXPECT_EQ(ListsOf("d/"), 1);
  ASSERT_TRUE(blocks_->AwaitPages(1));
  for (const Mode mode : {Mode::kOff, Mode::kRefresh}) {
    EXPECT_EQ(RequestsOf("a", mode), 1);
    EXPECT_EQ(ListsOf("d/", mode), 1);
  }
}

TEST_F(ReaderAgeTest, VersionsAreRememberedOfSoManyObjects) {
  ReaderOptions options;
  options.max_metadata_entries = 3;
  StartReader(options);
  for (const char* key : {"a", "b", "c", "d"}) {
    store_->Put(key, Bytes(100));
    EXPECT_EQ(RequestsOf(key), 1);
  }
  ASSERT_TRUE(blocks_->AwaitPages(4));
  for (const char* key : {"b", "c", "d"}) EXPECT_EQ(RequestsOf(key), 0) << key;
  EXPECT_EQ(RequestsOf("a"), 1);  // the oldest had gone
  EXPECT_EQ(RequestsOf("b"), 1);  // and goes now
}

TEST_F(ReaderAgeTest, ListsAreRememberedUpToSoManyEntries) {
  ReaderOptions options;
  options.max_cached_list_entries = 7;
  StartReader(options);
  for (const char* key : {"a/1", "a/2", "b/1", "b/2", "c/1"}) store_->Put(key, "x");
  EXPECT_EQ(ListsOf("a/"), 1);  // counts for 3
  EXPECT_EQ(ListsOf("b/"), 1);
  for (const char* prefix : {"a/", "b/"}) EXPECT_EQ(ListsOf(prefix), 0) << prefix;
  EXPECT_EQ(ListsOf("c/"), 1);  // 2 more: the oldest goes
  for (const char* prefix : {"b/", "c/"}) EXPECT_EQ(ListsOf(prefix), 0) << prefix;
  EXPECT_EQ(ListsOf("a/"), 1);
}

TEST_F(ReaderAgeTest, EmptyListsTakeRoomToo) {
  ReaderOptions options;
  options.max_cached_list_entries = 4;
  StartReader(options);
  for (const char* prefix : {"a/", "b/", "c/", "d/", "e/"}) EXPECT_EQ(ListsOf(prefix), 1);
  for (const char* prefix : {"b/", "c/", "d/", "e/"}) EXPECT_EQ(ListsOf(prefix), 0) << prefix;
  EXPECT_EQ(ListsOf("a/"), 1);
}

TEST_F(ReaderAgeTest, TheNewestListIsRememberedWhateverItsLength) {
  ReaderOptions options;
  options.max_cached_list_entries = 4;
  StartReader(options);
  for (int i = 0; i < 20; ++i) store_->Put("a/" + std::to_string(i), "x");
  EXPECT_EQ(ListsOf("b/"), 1);
  EXPECT_EQ(ListsOf("a/"), 1);
  EXPECT_EQ(ListsOf("a/"), 0);
  EXPECT_EQ(ListsOf("b/"), 1);
  EXPECT_EQ(ListsOf("a/"), 1);
}

TEST_F(ReaderAgeTest, AListOfTooManyKeysFailsAtThePageThatHasThem) {
  ReaderOptions options;
  options.max_listed_keys = 5;
  StartReader(options);
  store_->SetPageKeys(2);
  for (int i = 0; i < 5; ++i) store_->Put("d/" + std::to_string(i), "x");
  EXPECT_EQ(ListsOf("d/"), 3);
  for (int i = 5; i < 20; ++i) store_->Put("d/" + std::to_string(i), "x");
  store_->Forget();
  const auto refused = reader_->List(ListOf("d/"), *Query(Mode::kRefresh)).status();
  EXPECT_EQ(CodeOf(refused), base::ErrorCode::kResourceExhausted) << refused;
  EXPECT_NE(refused.message().find("s3://bucket/d/ covers more than 5 objects"), std::string::npos)
      << refused;
  EXPECT_EQ(store_->lists(), 3);
  // Nobody waits for it for ever, and it is not taken for an answer.
  EXPECT_FALSE(reader_->List(ListOf("d/"), *Query(Mode::kRefresh)).ok());
}

}  // namespace
}  // namespace eider::cache
