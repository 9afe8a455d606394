#include "base/error.h"

#include <gtest/gtest.h>

namespace eider::base {
namespace {

TEST(Error, EveryCodeHasANameAndComesBack) {
  for (int i = 0; i <= static_cast<int>(ErrorCode::kInternal); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    EXPECT_EQ(ParseErrorName(ErrorName(code)), code);
    EXPECT_EQ(ErrorOf(MakeError(code, "why")).code, code);
    EXPECT_GE(HttpStatus(code), 400);
  }
  EXPECT_EQ(ParseErrorName("NO_SUCH_CODE"), std::nullopt);
}

TEST(Error, JsonKeepsAllOfIt) {
  const ErrorInfo info{.code = ErrorCode::kOverloaded,
                       .message = "line of \"w1\" is full",
                       .retryable = true,
                       .retry_after_ms = 250};
  const auto back = DecodeError(EncodeError(info));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->code, info.code);
  EXPECT_EQ(back->message, info.message);
  EXPECT_EQ(back->retryable, info.retryable);
  EXPECT_EQ(back->retry_after_ms, info.retry_after_ms);
}

TEST(Error, BytesThatAreNotUtf8DoNotBreakTheAnswer) {
  const auto back = DecodeError(EncodeError({.code = ErrorCode::kInvalidQuery, .message = "\xff"}));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->code, ErrorCode::kInvalidQuery);
}

TEST(Error, WhatIsNotOursIsInternal) {
  EXPECT_EQ(ErrorOf(arrow::Status::IOError("x")).code, ErrorCode::kInternal);
  EXPECT_EQ(ErrorOf(arrow::Status::Cancelled("x")).code, ErrorCode::kCancelled);
  EXPECT_EQ(DecodeError("not json"), std::nullopt);
  EXPECT_EQ(DecodeError("{\"code\": 5}"), std::nullopt);
}

}  // namespace
}  // namespace eider::base
