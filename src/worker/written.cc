#include "worker/written.h"

#include <algorithm>

namespace eider::worker {
namespace {

// "s3://b/x/" of "s3://b/x/k" and of "s3://b/x/y/"; a bucket stays what it is.
std::string FolderOf(const std::string& url) {
  const size_t scheme = url.find("://");
  const size_t bucket = url.find('/', scheme == std::string::npos ? 0 : scheme + 3);
  if (url.size() < 2 || bucket == std::string::npos) return url;
  const size_t slash = url.rfind('/', url.size() - 2);
  return url.substr(0, std::max(slash, bucket) + 1);
}

void DropDoubles(std::vector<std::string>& texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
}

}  // namespace

std::vector<std::string> Shorten(std::vector<std::string> written, size_t limit) {
  DropDoubles(written);
  while (written.size() > limit) {
    std::vector<std::string> folders;
    for (const std::string& url : written) folders.push_back(FolderOf(url));
    DropDoubles(folders);
    if (folders == written) break;
    written = std::move(folders);
  }
  if (written.size() > limit) written.resize(limit);
  return written;
}

}  // namespace eider::worker
