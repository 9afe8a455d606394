// A cache directory seen from outside, for `eider cache`: works while a worker uses it.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <vector>

#include "store/object_store.h"

namespace eider::cache {

// What is here of one version of an object.
struct CachedObject {
  std::string url;
  store::Version version;
  int64_t blocks = 0;
  int64_t pages = 0;
  int64_t bytes = 0;  // of the object: its last page may be short
};

struct DirectoryStats {
  int64_t urls = 0;
  int64_t versions = 0;
  int64_t blocks = 0;
  int64_t pages = 0;
  int64_t used_bytes = 0;       // as the budget counts: pages, each whole
  int64_t disk_bytes = 0;       // that the files take
  int64_t available_bytes = 0;  // on the file system
};

struct Verification {
  int64_t blocks = 0;
  int64_t pages = 0;           // that are claimed
  int64_t bad_pages = 0;       // of those: not what was written
  int64_t bad_records = 0;     // that say nothing that can be trusted
  int64_t changed_blocks = 0;  // passed over: a worker changed them meanwhile
  bool dropped = false;        // what was bad; only where nobody else uses the directory
  std::string not_dropped_why;
  std::vector<std::string> findings;  // what is bad, in words; the first of many
  bool good() const { return bad_pages == 0 && bad_records == 0; }
};

// `dir` is the directory itself (FindCacheDirectory). Errors of all: INVALID_QUERY naming it, where
// it is no cache of this format.

// By URL, a URL's versions in the order in which they came.
arrow::Result<std::vector<CachedObject>> ListObjects(const std::string& dir);
arrow::Result<DirectoryStats> ReadStats(const std::string& dir);
// Reads every page; takes the lock only to drop what is bad.
arrow::Result<Verification> VerifyDirectory(const std::string& dir);
// How many blocks there were. Also INVALID_QUERY where a process uses it, naming its pid.
arrow::Result<int64_t> ClearDirectory(const std::string& dir);

}  // namespace eider::cache
