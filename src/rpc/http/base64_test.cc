#include "rpc/http/base64.h"

#include <gtest/gtest.h>

namespace eider::rpc {
namespace {

TEST(Base64Test, EncodesTheVectorsOfTheRfc) {
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("f"), "Zg==");
  EXPECT_EQ(Base64("fo"), "Zm8=");
  EXPECT_EQ(Base64("foo"), "Zm9v");
  EXPECT_EQ(Base64("foob"), "Zm9vYg==");
  EXPECT_EQ(Base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(Base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(Base64("\xff\xfe\xfd"), "//79");
}

TEST(Base64Test, PiecesOfAnySizeEncodeAsTheWhole) {
  std::string bytes;
  for (int i = 0; i < 200; ++i) bytes.push_back(static_cast<char>(i * 37));
  for (size_t size = 1; size < 20; ++size) {
    std::string out;
    Base64Encoder encoder(out);
    for (size_t at = 0; at < bytes.size(); at += size) {
      encoder.Add(std::string_view(bytes).substr(at, size));
    }
    encoder.Finish();
    EXPECT_EQ(out, Base64(bytes)) << size;
  }
}

}  // namespace
}  // namespace eider::rpc
