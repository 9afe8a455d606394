#include "protocol/any_query.h"

#include <gtest/gtest.h>

namespace eider::protocol {
namespace {

TEST(DecodeAnyQuery, TheBodySaysWhetherItWrites) {
  EXPECT_TRUE(DecodeAnyQuery(R"({"query": "COPY", "write": true})")->write);
  EXPECT_FALSE(DecodeAnyQuery(R"({"query": "S", "write": false})")->write);
  EXPECT_FALSE(DecodeAnyQuery(R"({"query": "SELECT '\"write\"'"})")->write);
  EXPECT_FALSE(DecodeAnyQuery(R"({"query": "S", "write": 1})").ok());
  EXPECT_FALSE(DecodeAnyQuery(R"({"query": "S", "write": true, "where": 1})").ok());
  EXPECT_FALSE(DecodeAnyQuery("[]").ok());
}

}  // namespace
}  // namespace eider::protocol
