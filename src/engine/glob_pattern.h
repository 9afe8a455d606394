// A pattern of keys, folder by folder: what matches it, what has to be listed for it, and by which
// of two ways that is less. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace eider::engine {

// httpfs's rules: `**` for any number of folders, `*`, `?` and `[...]` within one, `\` before what
// stands for itself. Immutable.
class GlobPattern {
 public:
  explicit GlobPattern(std::string pattern);
  GlobPattern(const GlobPattern&) = delete;
  GlobPattern& operator=(const GlobPattern&) = delete;

  bool Matches(std::string_view key) const;

  // What stands before the first wildcard: every key that matches begins with it.
  std::string_view fixed() const;
  // Whether there may be folders below fixed() in which nothing can match.
  bool can_skip_folders() const;

  // What to list below `folder` ("" or "a/b/"), which matches the first `part` parts.
  struct Step {
    std::string folder;  // with the parts without wildcards that come next
    std::string prefix;  // of the list: in this folder, or (deep) anywhere below it
    bool deep = false;
    size_t part = 0;  // that what is in the folder is to match
  };
  Step StepFrom(std::string folder, size_t part) const;
  // Whether a folder of a step's list ("a/b/c/"; not deep) may hold keys that match; then the next
  // step is from it and `step.part + 1`.
  bool LeadsOn(const Step& step, std::string_view folder) const;

 private:
  friend class GlobCost;
  const std::string pattern_;
  const std::vector<std::string_view> parts_;  // of pattern_
};

// Which way is less, by keys in their order: through all of them, a page of many in each request,
// or through the folders that match, a request (or more) for each.
class GlobCost {
 public:
  // `pattern` outlives it.
  explicit GlobCost(const GlobPattern& pattern);

  void Add(std::string_view key);
  // Whether the folders would have been at most half of what the keys so far were: going over to
  // them begins anew.
  bool FoldersAreLess() const;

 private:
  bool IsNew(size_t part, std::string_view folder);

  const GlobPattern& pattern_;
  int64_t keys_ = 0;
  // By folders: lists, and what would be in them.
  int64_t lists_ = 0;
  int64_t listed_ = 0;
  std::vector<std::string> last_folders_;  // by part
};

}  // namespace eider::engine
