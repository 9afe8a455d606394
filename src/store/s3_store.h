// S3, and what speaks its protocol, read over libcurl; plain http:// files too.
#pragma once

#include <memory>

#include "store/curl_loop.h"
#include "store/object_store.h"
#include "store/transfer_options.h"

namespace eider::store {

// One try a call: RetryingStore makes more of them. Errors that another try may mend are
// STORAGE_UNAVAILABLE with `retryable`, and `retry_after_ms` where the server said so.
class S3Store final : public ObjectStore {
 public:
  explicit S3Store(const TransferOptions& options) : loop_(options) {}
  // Ends what is under way as CANCELLED. Not from a callback.
  ~S3Store() override = default;

  void StartGet(GetRequest request, Scope scope, GetDone done) override;
  arrow::Result<Version> Stat(const GetRequest& request, const Scope& scope) override;
  arrow::Result<ListPage> List(const ListRequest& request, const Scope& scope) override;

 private:
  CurlLoop loop_;
};

}  // namespace eider::store
