#include "rpc/http/outlet.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "base/error.h"

namespace eider::rpc {
namespace {

std::shared_ptr<arrow::Buffer> Bytes(size_t size, char fill = 'x') {
  return arrow::Buffer::FromString(std::string(size, fill));
}

TEST(StreamOutletTest, PiecesComeOutInOrderAndSmallOnesWakeOnce) {
  int wakes = 0;
  StreamOutlet outlet([&] { ++wakes; }, {});
  ASSERT_TRUE(outlet.Begin({}).ok());
  EXPECT_EQ(wakes, 0);
  ASSERT_TRUE(outlet.Write(Bytes(1, 'a')).ok());
  ASSERT_TRUE(outlet.Write(Bytes(0)).ok());
  ASSERT_TRUE(outlet.Write(Bytes(2, 'b')).ok());
  EXPECT_EQ(wakes, 1);
  outlet.End();
  EXPECT_EQ(wakes, 2);
  EXPECT_EQ(outlet.Peek().bytes, 3);
  const auto pieces = outlet.Take();
  ASSERT_EQ(pieces.size(), 2);
  EXPECT_EQ(pieces[0]->ToString(), "a");
  EXPECT_EQ(pieces[1]->ToString(), "bb");
  EXPECT_TRUE(outlet.Peek().ended);
}

TEST(StreamOutletTest, APieceThatMakesEnoughToSendWakesAgain) {
  int wakes = 0;
  StreamOutlet outlet([&] { ++wakes; }, {});
  ASSERT_TRUE(outlet.Write(Bytes(10)).ok());
  ASSERT_TRUE(outlet.Write(Bytes(StreamOutlet::kLargePieceBytes)).ok());
  ASSERT_TRUE(outlet.Write(Bytes(10)).ok());
  EXPECT_EQ(wakes, 2);
}

TEST(StreamOutletTest, WriteBlocksUntilThereIsRoom) {
  StreamOutlet outlet([] {}, {.max_bytes = 100, .max_large_pieces = 2, .max_pieces = 3});
  ASSERT_TRUE(outlet.Write(Bytes(1000)).ok());  // alone it may be larger
  std::atomic<bool> written = false;
  auto second = std::async(std::launch::async, [&] {
    const arrow::Status status = outlet.Write(Bytes(1));
    written = true;
    return status;
  });
  EXPECT_FALSE(written);
  EXPECT_EQ(outlet.Take().size(), 1);
  EXPECT_TRUE(second.get().ok());
  EXPECT_EQ(outlet.Peek().bytes, 1);
}

TEST(StreamOutletTest, AbandonFreesABlockedWriteAndWakesNobody) {
  int wakes = 0;
  StreamOutlet outlet([&] { ++wakes; }, {.max_bytes = 1});
  ASSERT_TRUE(outlet.Write(Bytes(1)).ok());
  auto blocked = std::async(std::launch::async, [&] { return outlet.Write(Bytes(1)); });
  outlet.Abandon();
  EXPECT_EQ(base::ErrorOf(blocked.get()).code, base::ErrorCode::kCancelled);
  outlet.Fail(arrow::Status::Invalid("late"));
  outlet.End();
  EXPECT_FALSE(outlet.Begin({}).ok());
  EXPECT_EQ(wakes, 1);
  EXPECT_EQ(outlet.Peek().bytes, 0);
}

TEST(WholeOutletTest, GathersRawOrBase64) {
  for (const bool base64 : {false, true}) {
    int wakes = 0;
    WholeOutlet outlet([&] { ++wakes; }, base64, 100);
    ASSERT_TRUE(outlet.Write(arrow::Buffer::FromString("fo")).ok());
    ASSERT_TRUE(outlet.Write(arrow::Buffer::FromString("obar")).ok());
    EXPECT_EQ(wakes, 0);
    outlet.End();
    EXPECT_EQ(wakes, 1);
    EXPECT_EQ(outlet.TakeBody(), base64 ? "Zm9vYmFy" : "foobar");
  }
}

TEST(WholeOutletTest, TooLargeAResultFailsAndNamesTheStream) {
  WholeOutlet outlet([] {}, true, 10);
  ASSERT_TRUE(outlet.Write(Bytes(10)).ok());
  EXPECT_EQ(base::ErrorOf(outlet.Write(Bytes(1))).code, base::ErrorCode::kResourceExhausted);
  outlet.Fail(arrow::Status::Invalid("the relay's own idea"));
  const auto view = outlet.Peek();
  EXPECT_TRUE(view.too_large);
  ASSERT_TRUE(view.failure);
  EXPECT_NE(view.failure->message().find("application/vnd.apache.arrow.stream"), std::string::npos);
}

}  // namespace
}  // namespace eider::rpc
