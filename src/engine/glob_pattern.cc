#include "engine/glob_pattern.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "config/limits.h"

// Declared in a header of DuckDB's that includes what its package does not have.
namespace duckdb {
using idx_t = uint64_t;
bool Glob(const char* text, idx_t text_bytes, const char* pattern, idx_t pattern_bytes,
          bool allow_question_mark);
}  // namespace duckdb

namespace eider::engine {
namespace {

constexpr std::string_view kWildcards = "*?[\\";
constexpr std::string_view kAnyFolders = "**";

using Parts = std::vector<std::string_view>;

Parts Split(std::string_view text) {
  Parts parts;
  while (true) {
    const size_t slash = text.find('/');
    parts.push_back(text.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    text.remove_prefix(slash + 1);
  }
}

bool HasWildcard(std::string_view part) {
  return part.find_first_of(kWildcards) != std::string_view::npos;
}

bool PartMatches(std::string_view part, std::string_view pattern) {
  return duckdb::Glob(part.data(), part.size(), pattern.data(), pattern.size(),
                      /*allow_question_mark=*/true);
}

bool PartsMatch(Parts::const_iterator key, Parts::const_iterator key_end,
                Parts::const_iterator pattern, Parts::const_iterator pattern_end) {
  while (key != key_end && pattern != pattern_end) {
    if (*pattern == kAnyFolders) {
      if (std::next(pattern) == pattern_end) return true;
      for (auto rest = key; rest != key_end; ++rest) {
        if (PartsMatch(rest, key_end, std::next(pattern), pattern_end)) return true;
      }
      return false;
    }
    if (!PartMatches(*key, *pattern)) return false;
    ++key;
    ++pattern;
  }
  return key == key_end && pattern == pattern_end;
}

}  // namespace

GlobPattern::GlobPattern(std::string pattern)
    : pattern_(std::move(pattern)), parts_(Split(pattern_)) {}

bool GlobPattern::Matches(std::string_view key) const {
  const Parts keys = Split(key);
  return PartsMatch(keys.begin(), keys.end(), parts_.begin(), parts_.end());
}

std::string_view GlobPattern::fixed() const {
  return std::string_view(pattern_).substr(0, pattern_.find_first_of(kWildcards));
}

bool GlobPattern::can_skip_folders() const {
  const auto first = std::ranges::find_if(parts_, HasWildcard);
  return first != parts_.end() && *first != kAnyFolders;
}

GlobPattern::Step GlobPattern::StepFrom(std::string folder, size_t part) const {
  while (part + 1 < parts_.size() && !HasWildcard(parts_[part])) {
    folder.append(parts_[part++]).push_back('/');
  }
  Step step{.folder = std::move(folder), .prefix = "", .part = part};
  step.deep = parts_[part] == kAnyFolders;
  step.prefix = step.folder;
  step.prefix.append(parts_[part].substr(0, parts_[part].find_first_of(kWildcards)));
  return step;
}

bool GlobPattern::LeadsOn(const Step& step, std::string_view folder) const {
  if (step.part + 1 >= parts_.size() || !folder.starts_with(step.folder)) return false;
  std::string_view name = folder.substr(step.folder.size());
  if (name.ends_with('/')) name.remove_suffix(1);
  return PartMatches(name, parts_[step.part]);
}

GlobCost::GlobCost(const GlobPattern& pattern)
    : pattern_(pattern), last_folders_(pattern.parts_.size()) {}

bool GlobCost::IsNew(size_t part, std::string_view folder) {
  if (last_folders_[part] == folder) return false;
  last_folders_[part] = folder;
  return true;
}

void GlobCost::Add(std::string_view key) {
  ++keys_;
  size_t begin = 0;
  for (size_t part = 0; part < pattern_.parts_.size(); ++part) {
    const std::string_view pattern = pattern_.parts_[part];
    const bool last = part + 1 == pattern_.parts_.size();
    const size_t slash = key.find('/', begin);
    if (pattern == kAnyFolders || slash == std::string_view::npos) {
      ++listed_;  // a key in a folder that is listed
      return;
    }
    const std::string_view folder = key.substr(0, slash + 1);
    const std::string_view name = key.substr(begin, slash - begin);
    const bool wild = HasWildcard(pattern);
    const bool fresh = (wild || last) && IsNew(part, folder);
    if (fresh) ++listed_;
    if (last || !PartMatches(name, pattern)) return;
    if (fresh) ++lists_;
    begin = slash + 1;
  }
}

bool GlobCost::FoldersAreLess() const {
  // Of the last folder nobody knows how much more there is in it.
  const int64_t lists = std::max<int64_t>(lists_ - 1, 0);
  return 2 * (lists * config::kMaxS3KeysPerPage + listed_) <= keys_;
}

}  // namespace eider::engine
