// Where buckets are that were asked for in another region than theirs: S3 says so once, and what
// is sent to them afterwards goes there at once.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/mutex.h"
#include "config/limits.h"
#include "store/exchange.h"

namespace eider::store {

// `endpoint` for another region: the same, unless it is one of AWS's own, which are for one region.
// Pure.
std::string EndpointIn(const std::string& endpoint, std::string_view from, std::string_view to);

// Thread-safe. Of more than `max_buckets` the one that was learned first is forgotten, which costs
// a request.
class BucketRegions {
 public:
  explicit BucketRegions(size_t max_buckets = config::kMaxBucketRegions)
      : max_buckets_(max_buckets) {}

  // Notes that `bucket` of `endpoint` (the configured one) is in `region`.
  void Learn(const std::string& endpoint, const std::string& bucket, std::string region)
      EIDER_EXCLUDES(mutex_);

  // `request`, as it is configured, for where `bucket` is as far as is known.
  HttpRequest Route(HttpRequest request, const std::string& bucket) const EIDER_EXCLUDES(mutex_);

 private:
  const size_t max_buckets_;
  mutable base::Mutex mutex_;
  std::unordered_map<std::string, std::string> regions_ EIDER_GUARDED_BY(mutex_);
  std::deque<std::string> order_ EIDER_GUARDED_BY(mutex_);
};

// Called with the region that a refusal names and the receiver that has seen nothing of it; false,
// with the receiver left alone, where another try makes no sense.
using Redirect =
    std::function<bool(const std::string& region, std::unique_ptr<Receiver>& receiver)>;

// Hands everything on to `receiver`, but for a refusal that names another region than `region`, if
// `redirect` takes it.
std::unique_ptr<Receiver> NewRegionReceiver(std::string region, Redirect redirect,
                                            std::unique_ptr<Receiver> receiver);

}  // namespace eider::store
