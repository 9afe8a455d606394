#include "config/layer.h"

#include <gmock/gmock.h>

#include <fstream>
#include <string>

namespace eider::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FileLayer : public ::testing::Test {
 protected:
  Layer Read(Command command, const std::string& text) {
    path_ = ::testing::TempDir() + "layer_test_" +
            ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".toml";
    std::ofstream(path_) << text;
    return ReadFile(command, path_);
  }
  static const Given* Find(const Layer& layer, std::string_view name) {
    for (const Given& given : layer.given) {
      if (given.spec->name == name) return &given;
    }
    return nullptr;
  }
  std::string path_;
};

TEST_F(FileLayer, ReadsScalarsListsAndPrefixes) {
  const Layer layer = Read(Command::kCoordinator,
                           "port = 5000\n"
                           "workers = [\n"
                           "  \"grpc://a:1\",  # the first\n"
                           "  \"grpc://b:2\",\n"
                           "]\n"
                           "[log]\n"
                           "format = \"json\"\n");
  EXPECT_THAT(layer.problems, IsEmpty());
  EXPECT_THAT(Find(layer, "workers")->texts, ElementsAre("grpc://a:1", "grpc://b:2"));
  EXPECT_EQ(Find(layer, "workers")->origin, path_ + ":2");
  EXPECT_THAT(Find(layer, "log-format")->texts, ElementsAre("json"));
}

TEST_F(FileLayer, OwnSectionIsStronger) {
  const Layer layer = Read(Command::kWorker,
                           "port = 1\nmax_waiting = 3\n"
                           "[worker]\nport = 2\ncache = false\n"
                           "[worker.s3]\nregion = \"eu-north-1\"\n"
                           "[coordinator]\nport = 4\n");
  EXPECT_THAT(layer.problems, IsEmpty());
  EXPECT_THAT(Find(layer, "port")->texts, ElementsAre("2"));
  EXPECT_THAT(Find(layer, "cache")->texts, ElementsAre("off"));
  EXPECT_THAT(Find(layer, "s3-region")->texts, ElementsAre("eu-north-1"));
  EXPECT_EQ(Find(layer, "max-waiting"), nullptr);
}

TEST_F(FileLayer, NamesUnknownKeysWithTheirLine) {
  const Layer layer = Read(Command::kWorker, "port = 1\nslotz = 3\n[coordinator]\nslots = 1\n");
  EXPECT_THAT(layer.problems, ElementsAre(path_ + ":4: unknown key slots in [coordinator]",
                                          path_ + ":2: unknown key slotz: did you mean slots?"));
}

TEST_F(FileLayer, RefusesWhatNoOptionTakes) {
  EXPECT_THAT(Read(Command::kWorker, "slots = [1, 2]\n").problems,
              ElementsAre(HasSubstr(":1: slots takes a whole number from 1 to 4096")));
  EXPECT_THAT(Read(Command::kWorker, "slots = 2020-01-01\n").problems,
              ElementsAre(HasSubstr(":1: slots takes")));
  EXPECT_THAT(Read(Command::kWorker, "slots = 1\nport = \n").problems,
              ElementsAre(HasSubstr(":2: not TOML")));
  EXPECT_THAT(Read(Command::kWorker, "log-level = \"warn\"\nlog_level = \"info\"\n").problems,
              ElementsAre(HasSubstr("log_level is there twice")));
  EXPECT_THAT(Read(Command::kWorker, "config = \"other.toml\"\n").problems,
              ElementsAre(HasSubstr("unknown key config")));
}

TEST(VariableLayer, WarnsOfUnknownNames) {
  const Layer layer = ReadVariables(Command::kWorker, {{"EIDER_SLOTZ", "1"}, {"EIDER_PORT", ""}});
  EXPECT_THAT(layer.given, IsEmpty());
  EXPECT_THAT(layer.warnings, ElementsAre(HasSubstr("did you mean EIDER_SLOTS?")));
}

TEST(VariableLayer, PrefersItsOwnNames) {
  const Layer layer = ReadVariables(Command::kWorker, {{"AWS_ENDPOINT_URL", "http://a:1"},
                                                       {"AWS_ENDPOINT_URL_S3", "http://b:1"},
                                                       {"AWS_KEY_ID", "old"}});
  ASSERT_EQ(layer.given.size(), 2u);
  EXPECT_EQ(layer.given[0].origin, "AWS_ENDPOINT_URL_S3");
  EXPECT_EQ(layer.given[1].origin, "AWS_KEY_ID");
}

TEST(FlagLayer, ReadsThePrototypesForms) {
  EXPECT_THAT(ReadFlags(Command::kWorker, {"--port=5005"}).layer.given[0].texts,
              ElementsAre("5005"));
  const Flags flags =
      ReadFlags(Command::kCoordinator, {"--workers", "grpc://a:1", "grpc://b:2", "--port", "1"});
  EXPECT_THAT(flags.positionals, IsEmpty());
  EXPECT_THAT(flags.layer.given[0].texts, ElementsAre("1"));
  EXPECT_THAT(flags.layer.given[1].texts, ElementsAre("grpc://a:1", "grpc://b:2"));
}

TEST(FlagLayer, KeepsPositionals) {
  const Flags flags =
      ReadFlags(Command::kQuery, {"-p", "-5", "SELECT ?, ?", "-p", "a,b", "--write"});
  EXPECT_THAT(flags.positionals, ElementsAre("SELECT ?, ?"));
  EXPECT_THAT(flags.layer.given[0].texts, ElementsAre("-5", "a,b"));
  EXPECT_THAT(flags.layer.given[1].texts, ElementsAre("true"));
  EXPECT_THAT(ReadFlags(Command::kQuery, {"-"}).positionals, ElementsAre("-"));
}

TEST(FlagLayer, RefusesUnknownAndRepeated) {
  EXPECT_THAT(ReadFlags(Command::kWorker, {"--slotz=1"}).layer.problems,
              ElementsAre("unknown flag --slotz: did you mean --slots?"));
  EXPECT_THAT(ReadFlags(Command::kWorker, {"--port", "1", "--port", "2"}).layer.problems,
              ElementsAre("--port is given 2 times: give it once"));
  EXPECT_FALSE(ReadFlags(Command::kWorker, {"--port"}).layer.problems.empty());
}

}  // namespace
}  // namespace eider::config
