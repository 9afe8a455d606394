#include "config/quantity.h"

#include <gmock/gmock.h>

namespace eider::config {
namespace {

using ::testing::Eq;
using ::testing::Optional;

TEST(Quantity, ReadsBytes) {
  EXPECT_THAT(ParseBytes("1048576"), Optional(Eq(1048576)));
  EXPECT_THAT(ParseBytes("4GiB"), Optional(Eq(int64_t{4} << 30)));
  EXPECT_THAT(ParseBytes("4 gib"), Optional(Eq(int64_t{4} << 30)));
  EXPECT_THAT(ParseBytes("1.5G"), Optional(Eq(int64_t{3} << 29)));
  EXPECT_THAT(ParseBytes("2MB"), Optional(Eq(2'000'000)));
  for (const char* bad : {"", "GiB", "-1", "4X", "1..5", "4 GiB more", "99999999999TiB", "nan"}) {
    EXPECT_THAT(ParseBytes(bad), Eq(std::nullopt)) << bad;
  }
}

TEST(Quantity, ReadsMemory) {
  EXPECT_THAT(ParseMemory("80%", 1000), Optional(Eq(800)));
  EXPECT_THAT(ParseMemory("1KiB", 1000), Optional(Eq(1024)));
  EXPECT_THAT(ParseMemory("0%", 1000), Eq(std::nullopt));
  EXPECT_THAT(ParseMemory("101%", 1000), Eq(std::nullopt));
}

TEST(Quantity, ReadsDurations) {
  EXPECT_THAT(ParseDurationMs("30"), Optional(Eq(30'000)));
  EXPECT_THAT(ParseDurationMs("500ms"), Optional(Eq(500)));
  EXPECT_THAT(ParseDurationMs("1.5h"), Optional(Eq(5'400'000)));
  EXPECT_THAT(ParseDurationMs("soon"), Eq(std::nullopt));
  EXPECT_THAT(ParseDurationMs("-1s"), Eq(std::nullopt));
}

TEST(Quantity, ReadsAddresses) {
  EXPECT_EQ(ParseHostPort("localhost:5005")->port, 5005);
  EXPECT_EQ(ParseHostPort("[::1]:80")->host, "::1");
  EXPECT_EQ(ParseHostPort("host")->port, 0);
  for (const char* bad : {"", ":80", "host:", "host:0", "host:70000", "a b:1", "[::1", "h/x:1"}) {
    EXPECT_FALSE(ParseHostPort(bad)) << bad;
  }
  EXPECT_EQ(FormatHostPort("::1", 80), "[::1]:80");
}

TEST(Quantity, KnowsLoopback) {
  EXPECT_TRUE(IsLoopback("127.0.0.1"));
  EXPECT_TRUE(IsLoopback("127.3.2.1"));
  EXPECT_TRUE(IsLoopback("::1"));
  EXPECT_TRUE(IsLoopback("localhost"));
  EXPECT_FALSE(IsLoopback("0.0.0.0"));
  EXPECT_FALSE(IsLoopback("127.example.com"));
}

TEST(Quantity, WritesBytes) {
  EXPECT_EQ(FormatBytes(512), "512 B");
  EXPECT_EQ(FormatBytes(int64_t{4} << 30), "4.0 GiB");
}

TEST(Quantity, Thousandths) {
  EXPECT_EQ(ParseThousandths("1.25"), 1'250);
  EXPECT_EQ(ParseThousandths("3"), 3'000);
  for (const char* bad : {"", "-1", "1.25x", "x", "nan", "inf", "10000000"}) {
    EXPECT_FALSE(ParseThousandths(bad)) << bad;
  }
}

TEST(Quantity, Dollars) {
  EXPECT_EQ(ParseDollars("0.0004"), 400'000);
  EXPECT_EQ(ParseDollars("$0.09"), 90'000'000);
  EXPECT_EQ(ParseDollars("0"), 0);
  for (const char* bad : {"", "-1", "$", "5 cents", "1e-3", "0.1.2", "1000001"}) {
    EXPECT_FALSE(ParseDollars(bad)) << bad;
  }
}

}  // namespace
}  // namespace eider::config
