#include "engine/glob_pattern.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "config/limits.h"

namespace eider::engine {
namespace {

using Keys = std::vector<std::string>;

// What the steps of `pattern` find in a bucket of `keys`, listed with a delimiter as S3 does it,
// and how many lists that takes.
struct Found {
  Keys keys;
  int lists = 0;
};
Found ByFolders(const GlobPattern& pattern, const Keys& keys) {
  Found found;
  std::vector<GlobPattern::Step> steps = {pattern.StepFrom("", 0)};
  while (!steps.empty()) {
    const GlobPattern::Step step = steps.back();
    steps.pop_back();
    ++found.lists;
    std::set<std::string> folders;
    for (const std::string& key : keys) {
      if (!key.starts_with(step.prefix)) continue;
      const size_t slash = key.find('/', step.prefix.size());
      if (!step.deep && slash != std::string::npos) {
        folders.insert(key.substr(0, slash + 1));
      } else if (pattern.Matches(key)) {
        found.keys.push_back(key);
      }
    }
    for (const std::string& folder : folders) {
      if (pattern.LeadsOn(step, folder)) steps.push_back(pattern.StepFrom(folder, step.part + 1));
    }
  }
  std::ranges::sort(found.keys);
  return found;
}

Keys Matching(const GlobPattern& pattern, const Keys& keys) {
  Keys matching;
  std::ranges::copy_if(keys, std::back_inserter(matching),
                       [&](const std::string& key) { return pattern.Matches(key); });
  return matching;
}

TEST(GlobPatternTest, MatchesFolderByFolder) {
  const auto matches = [](const std::string& key, const std::string& pattern) {
    return GlobPattern(pattern).Matches(key);
  };
  EXPECT_TRUE(matches("a/x/1.csv", "*/x/*.csv"));
  EXPECT_FALSE(matches("a/b/x/1.csv", "*/x/*.csv"));
  EXPECT_TRUE(matches("a/b/x/1.csv", "**/x/*.csv"));
  EXPECT_TRUE(matches("x/1.csv", "**/x/*.csv"));
  EXPECT_FALSE(matches("x/1.csv", "*/*/1.csv"));
  EXPECT_TRUE(matches("a1/x", "a[0-3]/?"));
  EXPECT_FALSE(matches("a4/x", "a[0-3]/?"));
  EXPECT_TRUE(matches("a*/x", "a\\*/x"));
  EXPECT_FALSE(matches("ab/x", "a\\*/x"));
}

TEST(GlobPatternTest, StepsGoThroughPartsWithoutWildcards) {
  const GlobPattern pattern("d/e/p*/x/y/*.csv");
  EXPECT_EQ(pattern.fixed(), "d/e/p");
  const auto first = pattern.StepFrom("", 0);
  EXPECT_EQ(first.prefix, "d/e/p");
  EXPECT_EQ(first.folder, "d/e/");
  EXPECT_TRUE(pattern.LeadsOn(first, "d/e/p1/"));
  EXPECT_FALSE(pattern.LeadsOn(first, "d/e/q/"));
  const auto second = pattern.StepFrom("d/e/p1/", first.part + 1);
  EXPECT_EQ(second.prefix, "d/e/p1/x/y/");
  EXPECT_FALSE(second.deep);
  EXPECT_FALSE(pattern.LeadsOn(second, "d/e/p1/x/y/z.csv/")) << "a folder is no file";
}

TEST(GlobPatternTest, BelowTwoStarsEverythingIsListed) {
  const GlobPattern pattern("a/*/**/x*.csv");
  const auto first = pattern.StepFrom("", 0);
  const auto second = pattern.StepFrom("a/b/", first.part + 1);
  EXPECT_TRUE(second.deep);
  EXPECT_EQ(second.prefix, "a/b/");
  EXPECT_TRUE(GlobPattern("a/*").can_skip_folders());
  EXPECT_TRUE(pattern.can_skip_folders());
  EXPECT_FALSE(GlobPattern("a/**").can_skip_folders());
  EXPECT_FALSE(GlobPattern("**/b/*").can_skip_folders());
}

TEST(GlobPatternTest, ByFoldersFindsWhatMatches) {
  std::mt19937 dice(7);
  const auto any = [&](const Keys& of) { return of[dice() % of.size()]; };
  const Keys names = {"a", "ab", "b", "x", "a*", "[", "", "x.csv", "1.csv"};
  const Keys parts = {"*", "a*",    "?",     "[ab]", "**", "a",
                      "x", "*.csv", "x.csv", "a\\*", "",   "[!a]*"};
  Keys keys;
  for (int i = 0; i < 400; ++i) {
    std::string key = any(names);
    for (size_t depth = dice() % 4; depth > 0; --depth) key += "/" + any(names);
    if (!key.empty()) keys.push_back(key);
  }
  std::ranges::sort(keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  int found = 0;
  for (int i = 0; i < 2'000; ++i) {
    std::string text = any(parts);
    for (size_t depth = dice() % 4; depth > 0; --depth) text += "/" + any(parts);
    const GlobPattern pattern(text);
    const Keys matching = Matching(pattern, keys);
    EXPECT_EQ(ByFolders(pattern, keys).keys, matching) << text;
    found += static_cast<int>(matching.size());
  }
  EXPECT_GT(found, 1'000) << "most patterns are to match something";
}

// A tree: `folders` of them, in each `subfolders` (name and number of keys).
Keys Tree(int folders, const std::vector<std::pair<std::string, int>>& subfolders) {
  Keys keys;
  for (int folder = 0; folder < folders; ++folder) {
    const std::string top = "f" + std::to_string(1000 + folder);
    for (const auto& [name, count] : subfolders) {
      for (int i = 0; i < count; ++i) {
        keys.push_back(top + "/" + name + "/" + std::to_string(100'000 + i) + ".csv");
      }
    }
  }
  std::ranges::sort(keys);
  return keys;
}

// After how many pages the folders are less; -1: never.
int SwitchesAfter(const std::string& text, const Keys& keys) {
  const GlobPattern pattern(text);
  GlobCost cost(pattern);
  constexpr size_t kPage = config::kMaxS3KeysPerPage;
  for (size_t i = 0; i < keys.size(); ++i) {
    cost.Add(keys[i]);
    const bool page_ends = (i + 1) % kPage == 0 && i + 1 < keys.size();
    if (page_ends && cost.FoldersAreLess()) return static_cast<int>((i + 1) / kPage);
  }
  return -1;
}

TEST(GlobCostTest, FewFoldersOfManyThatCannotMatchAreWorthIt) {
  EXPECT_EQ(SwitchesAfter("*/x/*.csv", Tree(5, {{"a", 3'000}, {"x", 10}})), 1);
  EXPECT_EQ(SwitchesAfter("*/x/*.csv", Tree(5, {{"x", 10}, {"y", 3'000}})), 1);
  EXPECT_EQ(SwitchesAfter("f1003/*", Tree(5, {{"a", 3'000}})), 1);
  EXPECT_EQ(SwitchesAfter("*/a/1.csv", Tree(1, {{"b", 3'000}})), 1);
}

TEST(GlobCostTest, WhereMostMatchesTheListIsFlat) {
  EXPECT_EQ(SwitchesAfter("*/*/*.csv", Tree(5, {{"a", 3'000}})), -1);
  EXPECT_EQ(SwitchesAfter("*/a/*.csv", Tree(5, {{"a", 3'000}})), -1);
  EXPECT_EQ(SwitchesAfter("f1*/**", Tree(5, {{"a", 3'000}})), -1);
}

TEST(GlobCostTest, ManySmallFoldersWouldBeManyLists) {
  EXPECT_EQ(SwitchesAfter("*/x/*.csv", Tree(900, {{"a", 9}, {"x", 1}})), -1);
  EXPECT_EQ(SwitchesAfter("*/x/*.csv", Tree(20, {{"a", 400}, {"x", 10}})), -1);
  // Even where none is gone into: their names are listed.
  EXPECT_EQ(SwitchesAfter("g*", Tree(3'000, {{"a", 1}})), -1);
}

TEST(GlobCostTest, APileOfMatchesFirstOnlyPutsItOff) {
  Keys keys = Tree(1, {{"a", 2'000}, {"b", 50'000}});
  const int after = SwitchesAfter("*/a/*.csv", keys);
  EXPECT_GT(after, 2);
  EXPECT_LT(after, 8);
}

}  // namespace
}  // namespace eider::engine
