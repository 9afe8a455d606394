#include "cmd/worker_home.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace eider::cmd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class WorkerHomeTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(dir_); }
  const std::string dir_ = ::testing::TempDir() + "worker_home_test/" +
                           ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(WorkerHomeTest, KeepsItsId) {
  std::string first;
  {
    auto home = WorkerHome::Open(dir_, "").ValueOrDie();
    first = home->id();
    EXPECT_THAT(first, StartsWith("w-"));
  }
  EXPECT_EQ(WorkerHome::Open(dir_, "").ValueOrDie()->id(), first);
  EXPECT_EQ(WorkerHome::Open(dir_, "named").ValueOrDie()->id(), "named");
}

TEST_F(WorkerHomeTest, KeepsASecondWorkerOut) {
  auto home = WorkerHome::Open(dir_, "").ValueOrDie();
  EXPECT_THAT(WorkerHome::Open(dir_, "").status().message(),
              HasSubstr("is in use by process " + std::to_string(getpid())));
  home.reset();
  EXPECT_TRUE(WorkerHome::Open(dir_, "").ok());
}

TEST_F(WorkerHomeTest, RefusesWhatItCannotUse) {
  EXPECT_THAT(WorkerHome::Open("/dev/null/x", "").status().message(), HasSubstr("/dev/null/x"));
  EXPECT_THAT(WorkerHome::Open(dir_, "two words").status().message(), HasSubstr("--id"));
  std::filesystem::create_directories(dir_);
  std::ofstream(dir_ + "/worker-id") << "\n";
  EXPECT_THAT(WorkerHome::Open(dir_, "").status().message(), HasSubstr("holds no id"));
}

}  // namespace
}  // namespace eider::cmd
