#include "engine/glob.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "config/limits.h"
#include "duckdb/common/types/timestamp.hpp"
#include "duckdb/common/types/value.hpp"
#include "engine/glob_pattern.h"
#include "engine/query_state.h"

namespace eider::engine {
namespace {

// What httpfs takes for the start of a pattern. (A `?` starts the parameters of its URLs.)
constexpr std::string_view kWildcards = "*[\\";

using ListingPtr = std::shared_ptr<const cache::Reader::Listing>;

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
        pattern_(source.name.key) {}

  // One list of all keys below the part without wildcards is the fewest requests unless most of
  // them cannot match: false, and nothing is found, where folder by folder it will be fewer.
  bool Flat() {
    GlobCost cost(pattern_);
    size_t seen = 0;
    cache::Reader::GoOn go_on;
    if (pattern_.can_skip_folders()) {
      go_on = [&](const cache::Reader::Listing& so_far) {
        for (; seen < so_far.entries.size(); ++seen) cost.Add(so_far.entries[seen].key);
        return !cost.FoldersAreLess();
      };
    }
    const auto listing = List(std::string(pattern_.fixed()), "", go_on);
    if (!listing.ok()) state_.ThrowFailedRead(listing.status());
    Offer(**listing);
    return (*listing)->whole;
  }

  // Level by level; the folders of a level at the same time.
  void ByFolders() {
    std::vector<GlobPattern::Step> level = {pattern_.StepFrom("", 0)};
    while (!level.empty()) {
      const std::vector<ListingPtr> listings = ListLevel(level);
      std::vector<GlobPattern::Step> next;
      for (size_t i = 0; i < level.size(); ++i) {
        Offer(*listings[i]);
        for (const std::string& folder : listings[i]->prefixes) {
          if (!pattern_.LeadsOn(level[i], folder)) continue;
          next.push_back(pattern_.StepFrom(folder, level[i].part + 1));
        }
      }
      level = std::move(next);
    }
  }

  duckdb::vector<duckdb::OpenFileInfo> Take() {
    std::ranges::sort(files_, {}, &duckdb::OpenFileInfo::path);
    return std::move(files_);
  }

 private:
  // Thread-safe.
  arrow::Result<ListingPtr> List(std::string prefix, std::string delimiter,
                                 const cache::Reader::GoOn& go_on = {}) {
    store::ListRequest request{.access = source_.access,
                               .bucket = source_.name.bucket,
                               .prefix = std::move(prefix),
                               .delimiter = std::move(delimiter),
                               .url = source_.url,
                               .continuation = ""};
    return reader_.List(request, state_.reads(), go_on);
  }

  std::vector<ListingPtr> ListLevel(const std::vector<GlobPattern::Step>& level) {
    std::vector<ListingPtr> listings(level.size());
    std::atomic<size_t> next = 0;
    std::atomic<bool> failed = false;
    const auto work = [&]() -> arrow::Status {
      for (size_t i = next++; i < level.size() && !failed; i = next++) {
        auto listing = List(level[i].prefix, level[i].deep ? "" : "/");
        if (!listing.ok()) failed = true;
        ARROW_ASSIGN_OR_RAISE(listings[i], std::move(listing));
      }
      return arrow::Status::OK();
    };
    std::vector<std::future<arrow::Status>> others;
    const size_t threads = std::min(level.size(), config::kMaxGlobLists);
    for (size_t i = 1; i < threads; ++i) others.push_back(std::async(std::launch::async, work));
    arrow::Status status = work();
    for (auto& other : others) status &= other.get();
    if (!status.ok()) state_.ThrowFailedRead(status);
    Count(listings);
    return listings;
  }

  // A list by itself has its own bound.
  void Count(const std::vector<ListingPtr>& listings) {
    for (const ListingPtr& listing : listings) {
      listed_ += listing->entries.size() + listing->prefixes.size();
    }
    if (listed_ <= config::kMaxListedKeys) return;
    state_.ThrowFailedRead(base::MakeError(
        base::ErrorCode::kResourceExhausted,
        source_.url + " covers more than " + std::to_string(config::kMaxListedKeys) +
            " objects and folders: name a longer prefix before the first wildcard"));
  }

  void Offer(const cache::Reader::Listing& listing) {
    for (const store::ListPage::Entry& entry : listing.entries) {
      // A key that ends in a slash is a folder that somebody made by hand.
      if (entry.key.ends_with('/') || !pattern_.Matches(entry.key)) continue;
      files_.push_back(FileOf(bucket_url_, entry));
    }
  }

  const cache::Source& source_;
  cache::Reader& reader_;
  QueryState& state_;
  const std::string bucket_url_;  // "s3://bucket/"
  const GlobPattern pattern_;
  size_t listed_ = 0;
  duckdb::vector<duckdb::OpenFileInfo> files_;
};

}  // namespace

duckdb::vector<duckdb::OpenFileInfo> ExpandGlob(const std::string& path,
                                                const cache::Source& source, cache::Reader& reader,
                                                QueryState& state) {
  if (source.name.key.find_first_of(kWildcards) == std::string::npos) {
    return {duckdb::OpenFileInfo(path)};
  }
  Expansion expansion(path, source, reader, state);
  if (!expansion.Flat()) expansion.ByFolders();
  return expansion.Take();
}

}  // namespace eider::engine
