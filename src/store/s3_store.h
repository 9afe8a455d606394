// S3, and what speaks its protocol, read over libcurl; plain http:// files too.
#pragma once

#include <memory>

#include "store/bucket_regions.h"
#include "store/curl_loop.h"
#include "store/object_store.h"
#include "store/transfer_options.h"

namespace eider::store {

// One try a call: RetryingStore makes more of them. Errors that another try may mend are
// STORAGE_UNAVAILABLE with `retryable`, and `retry_after_ms` where the server said so. A request
// that S3 refuses because its bucket is in another region is sent once more, to that one, and what
// is asked of the bucket later goes there at once.
class S3Store final : public ObjectStore {
 public:
  explicit S3Store(const TransferOptions& options) : loop_(options) {}
  // Ends what is under way as CANCELLED. Not from a callback.
  ~S3Store() override = default;

  void StartGet(GetRequest request, Scope scope, GetDone done) override;
  arrow::Result<Version> Stat(const GetRequest& request, const Scope& scope) override;
  arrow::Result<ListPage> List(const ListRequest& request, const Scope& scope) override;

 private:
  void Send(HttpRequest http, const std::string& bucket, const Scope& scope,
            std::unique_ptr<Receiver> receiver);

  BucketRegions regions_;
  CurlLoop loop_;  // last: it uses the others
};

}  // namespace eider::store
