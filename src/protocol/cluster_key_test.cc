#include "protocol/cluster_key.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/random.h"

namespace eider::protocol {
namespace {

class ClusterKeyFile : public testing::Test {
 protected:
  ~ClusterKeyFile() override { std::filesystem::remove_all(folder_); }
  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / base::RandomHex(8);
  const std::string path_ = folder_ / "deep" / "cluster.key";
};

TEST_F(ClusterKeyFile, TheFirstMakesItAndTheOthersReadIt) {
  const auto first = ClusterKey::ReadOrCreate(path_);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = ClusterKey::ReadOrCreate(path_);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(first->Mac("p", "m"), second->Mac("p", "m"));
  struct stat info{};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_FALSE(ClusterKey::WriteNew(path_).ok());
}

TEST_F(ClusterKeyFile, RefusesWhatOthersMayReadAndWhatIsNoKey) {
  ASSERT_TRUE(ClusterKey::ReadOrCreate(path_).ok());
  std::filesystem::permissions(path_, std::filesystem::perms(0644));
  EXPECT_NE(ClusterKey::Read(path_).status().message().find("chmod 600"), std::string::npos);
  std::filesystem::permissions(path_, std::filesystem::perms(0600));
  std::ofstream(path_) << "short\n";
  EXPECT_NE(ClusterKey::Read(path_).status().message().find(path_), std::string::npos);
  EXPECT_FALSE(ClusterKey::Read(path_ + ".missing").ok());
}

TEST(ClusterKey, AMacIsGoodForItsMessageAndPurposeAlone) {
  const ClusterKey key = ClusterKey::Generate();
  const std::string mac = key.Mac("ticket", "m");
  EXPECT_TRUE(key.Verify("ticket", "m", mac));
  EXPECT_FALSE(key.Verify("command", "m", mac));
  EXPECT_FALSE(key.Verify("ticket", "n", mac));
  EXPECT_FALSE(key.Verify("ticket", "m", mac.substr(1)));
  EXPECT_FALSE(ClusterKey::Generate().Verify("ticket", "m", mac));
}

TEST(Seal, EveryChangedByteIsNoticed) {
  const ClusterKey key = ClusterKey::Generate();
  const std::string sealed = Seal(key, "ticket", "payload");
  EXPECT_EQ(*Unseal(key, "ticket", sealed), "payload");
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string altered = sealed;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    const auto opened = Unseal(key, "ticket", altered);
    ASSERT_FALSE(opened.ok()) << i;
    EXPECT_EQ(base::ErrorOf(opened.status()).code, base::ErrorCode::kPermissionDenied);
  }
  EXPECT_FALSE(Unseal(key, "ticket", "").ok());
}

}  // namespace
}  // namespace eider::protocol
