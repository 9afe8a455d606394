#include "engine/glob.h"

#include <algorithm>
#include <utility>

#include "duckdb/common/types/timestamp.hpp"
#include "duckdb/common/types/value.hpp"
#include "engine/query_state.h"

// Declared in a header of DuckDB's that includes what its package does not have.
namespace duckdb {
bool Glob(const char* text, idx_t text_bytes, const char* pattern, idx_t pattern_bytes,
          bool allow_question_mark);
}

namespace eider::engine {
namespace {

// What httpfs takes for the start of a pattern. (A `?` starts the parameters of its URLs.)
constexpr std::string_view kWildcards = "*[\\";

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

bool HasWildcard(std::string_view part) { return part.find_first_of(kWildcards) != part.npos; }

bool PartMatches(std::string_view part, std::string_view pattern) {
  return duckdb::Glob(part.data(), part.size(), pattern.data(), pattern.size(),
                      /*allow_question_mark=*/true);
}

bool Matches(Parts::const_iterator key, Parts::const_iterator key_end,
             Parts::const_iterator pattern, Parts::const_iterator pattern_end) {
  while (key != key_end && pattern != pattern_end) {
    if (*pattern == "**") {
      if (std::next(pattern) == pattern_end) return true;
      for (auto rest = key; rest != key_end; ++rest) {
        if (Matches(rest, key_end, std::next(pattern), pattern_end)) return true;
      }
      return false;
    }
    if (!PartMatches(*key, *pattern)) return false;
    ++key;
    ++pattern;
  }
  return key == key_end && pattern == pattern_end;
}

duckdb::OpenFileInfo FileOf(const std::string& bucket_url, const store::ListPage::Entry& entry) {
  using duckdb::Value;
  duckdb::OpenFileInfo file(bucket_url + entry.key);
  file.extended_info = duckdb::make_shared_ptr<duckdb::ExtendedOpenFileInfo>();
  auto& options = file.extended_info->options;
  options["file_size"] = Value::UBIGINT(static_cast<uint64_t>(entry.version.size));
  options["etag"] = Value(entry.version.etag);
  options["last_modified"] =
      Value::TIMESTAMP(duckdb::Timestamp::FromEpochMs(entry.version.last_modified_ms));
  return file;
}

// One pattern being expanded.
class Expansion {
 public:
  Expansion(const std::string& path, const cache::Source& source, cache::Reader& reader,
            QueryState& state)
      : source_(source),
        reader_(reader),
        state_(state),
        bucket_url_(path.substr(0, path.size() - source.name.key.size())),
        pattern_(Split(source.name.key)) {}

  // One list of all keys below the part without wildcards: the fewest requests, unless most of them
  // do not match.
  void Flat() {
    const std::string& key = source_.name.key;
    const auto listing = List(key.substr(0, key.find_first_of(kWildcards)), "");
    for (const store::ListPage::Entry& entry : listing->entries) Offer(entry);
  }

  duckdb::vector<duckdb::OpenFileInfo> Take() {
    std::ranges::sort(files_, {}, &duckdb::OpenFileInfo::path);
    return std::move(files_);
  }

 private:
  std::shared_ptr<const cache::Reader::Listing> List(std::string prefix, std::string delimiter) {
    store::ListRequest request{.access = source_.access,
                               .bucket = source_.name.bucket,
                               .prefix = std::move(prefix),
                               .delimiter = std::move(delimiter),
                               .url = source_.url,
                               .continuation = ""};
    auto listing = reader_.List(request, state_.reads());
    if (!listing.ok()) state_.ThrowFailedRead(listing.status());
    return *std::move(listing);
  }

  void Offer(const store::ListPage::Entry& entry) {
    // A key that ends in a slash is a folder that somebody made by hand.
    if (entry.key.ends_with('/')) return;
    const Parts key = Split(entry.key);
    if (!Matches(key.begin(), key.end(), pattern_.begin(), pattern_.end())) return;
    files_.push_back(FileOf(bucket_url_, entry));
  }

  const cache::Source& source_;
  cache::Reader& reader_;
  QueryState& state_;
  const std::string bucket_url_;  // "s3://bucket/"
  const Parts pattern_;
  duckdb::vector<duckdb::OpenFileInfo> files_;
};

}  // namespace

bool MatchesGlob(std::string_view key, std::string_view pattern) {
  const Parts keys = Split(key);
  const Parts patterns = Split(pattern);
  return Matches(keys.begin(), keys.end(), patterns.begin(), patterns.end());
}

duckdb::vector<duckdb::OpenFileInfo> ExpandGlob(const std::string& path,
                                                const cache::Source& source, cache::Reader& reader,
                                                QueryState& state) {
  if (!HasWildcard(source.name.key)) return {duckdb::OpenFileInfo(path)};
  Expansion expansion(path, source, reader, state);
  expansion.Flat();
  return expansion.Take();
}

}  // namespace eider::engine
