#include "store/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace eider::store {
namespace {

using testing::HasSubstr;
using testing::Not;

SharedProfile Parsed(std::string_view text, SharedFile file, std::string_view name) {
  const auto parsed = ParseSharedFile(text, file, name);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() ? parsed->profile : SharedProfile();
}

constexpr char kCredentials[] =
    "# a comment\n"
    "[default]\r\n"
    "aws_access_key_id = AKID\r\n"
    "aws_secret_access_key=a/b+c=#d ; a comment\r\n"
    "\n"
    "[other]\n"
    "aws_access_key_id=AKID2\n"
    "aws_secret_access_key=SECRET2\n"
    "aws_session_token=TOKEN2==";

TEST(SharedFile, ReadsAProfile) {
  EXPECT_EQ(Parsed(kCredentials, SharedFile::kCredentials, "default"),
            (SharedProfile{.key_id = "AKID", .secret_key = "a/b+c=#d"}));
  EXPECT_EQ(
      Parsed(kCredentials, SharedFile::kCredentials, "other"),
      (SharedProfile{.key_id = "AKID2", .secret_key = "SECRET2", .session_token = "TOKEN2=="}));
}

TEST(SharedFile, ConfigMarksProfilesAndNestsSettings) {
  constexpr char kConfig[] =
      "[profile other]\n"
      "region = eu-west-1\n"
      "s3 =\n"
      "  region = nested\n"
      "  addressing_style = path\n"
      "endpoint_url = http://127.0.0.1:9000\n"
      "[other]\nregion = unmarked\n"
      "[services other]\nregion = no-profile\n";
  EXPECT_EQ(Parsed(kConfig, SharedFile::kConfig, "other"),
            (SharedProfile{.region = "eu-west-1", .endpoint_url = "http://127.0.0.1:9000"}));
  EXPECT_FALSE(ParseSharedFile(kConfig, SharedFile::kConfig, "default")->found);
}

TEST(SharedFile, BrokenOnesAreToldWithoutTheirContent) {
  for (const char* text :
       {"[default\nx = 1\n", "[default]\naws_access_key_id\n",
        "[default]\naws_access_key_id = SECRET\n", "[default]\naws_secret_access_key = SECRET\n"}) {
    const auto parsed = ParseSharedFile(text, SharedFile::kCredentials, "default");
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(base::ErrorOf(parsed.status()).code, base::ErrorCode::kInvalidQuery);
    EXPECT_THAT(parsed.status().message(), Not(HasSubstr("SECRET")));
  }
}

class SharedConfigTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // As tools do it: another file in the place of the old one.
  void Replace(const std::string& path, const std::string& text) {
    std::ofstream(path + ".new") << text;
    std::filesystem::rename(path + ".new", path);
  }
  SharedProfile GetLater(SharedConfig& shared) {
    clock_.Advance(1000);
    return shared.Get();
  }

  const std::string folder_ = testing::TempDir() + "shared_config_" + std::to_string(::getpid()) +
                              "_" + testing::UnitTest::GetInstance()->current_test_info()->name();
  const SharedPaths paths_{.credentials = folder_ + "/credentials", .config = folder_ + "/config"};
  base::ManualClock clock_;
};

std::string KeysOf(const std::string& id) {
  return "[default]\naws_access_key_id = " + id + "\naws_secret_access_key = of-" + id + "\n";
}

TEST_F(SharedConfigTest, NoFilesSayNothingButANamedProfileMustExist) {
  const auto shared = SharedConfig::Load(paths_, "default", clock_);
  ASSERT_TRUE(shared.ok()) << shared.status();
  EXPECT_EQ((*shared)->Get(), SharedProfile());
  const auto named = SharedConfig::Load(paths_, "work", clock_);
  ASSERT_FALSE(named.ok());
  EXPECT_THAT(named.status().message(), HasSubstr("`work`"));
}

TEST_F(SharedConfigTest, BothFilesAreMerged) {
  Replace(paths_.credentials, KeysOf("A"));
  Replace(paths_.config,
          "[default]\nregion = eu-west-1\naws_access_key_id = B\n"
          "aws_secret_access_key = of-B\naws_session_token = T\n");
  const auto shared = SharedConfig::Load(paths_, "default", clock_);
  ASSERT_TRUE(shared.ok()) << shared.status();
  EXPECT_EQ((*shared)->Get(),
            (SharedProfile{.key_id = "A", .secret_key = "of-A", .region = "eu-west-1"}));
}

TEST_F(SharedConfigTest, ReadsAgainWhatChangedAtMostOnceASecond) {
  Replace(paths_.credentials, KeysOf("A"));
  const auto shared = *SharedConfig::Load(paths_, "default", clock_);
  Replace(paths_.credentials, KeysOf("B"));
  EXPECT_EQ(shared->Get().key_id, "A");
  EXPECT_EQ(GetLater(*shared).key_id, "B");
  Replace(paths_.credentials, KeysOf("C"));
  EXPECT_EQ(GetLater(*shared).secret_key, "of-C");
}

TEST_F(SharedConfigTest, HalfWrittenFilesLeaveTheOldValues) {
  Replace(paths_.credentials, KeysOf("A"));
  const auto shared = *SharedConfig::Load(paths_, "default", clock_);
  const std::string whole = KeysOf("B");
  for (const size_t size : {0UL, 4UL, 10UL, 20UL, 35UL, 45UL}) {
    Replace(paths_.credentials, whole.substr(0, size));
    EXPECT_EQ(GetLater(*shared).key_id, "A") << size;
  }
  std::filesystem::remove(paths_.credentials);
  EXPECT_EQ(GetLater(*shared).key_id, "A");
  Replace(paths_.credentials, whole);
  GetLater(*shared);  // the new file may have got the old one's inode
  EXPECT_EQ(GetLater(*shared).key_id, "B");
}

TEST_F(SharedConfigTest, WhatIsWrittenInPlaceCountsOnceItRests) {
  Replace(paths_.credentials, KeysOf("A"));
  const auto shared = *SharedConfig::Load(paths_, "default", clock_);
  const std::string whole = KeysOf("BBBB");
  std::ofstream(paths_.credentials) << whole.substr(0, whole.size() - 3);  // a secret cut short
  EXPECT_EQ(GetLater(*shared).secret_key, "of-A");
  std::ofstream(paths_.credentials) << whole;
  EXPECT_EQ(GetLater(*shared).secret_key, "of-A");
  EXPECT_EQ(GetLater(*shared).secret_key, "of-BBBB");
}

}  // namespace
}  // namespace eider::store
