#include "store/s3_store.h"

#include <future>
#include <utility>

#include "base/error.h"
#include "store/receivers.h"
#include "store/s3_request.h"

namespace eider::store {

void S3Store::Send(HttpRequest http, const std::string& bucket, const Scope& scope,
                   std::unique_ptr<Receiver> receiver) {
  if (http.access->plain_http) return loop_.Start(std::move(http), scope, std::move(receiver));
  HttpRequest routed = regions_.Route(http, bucket);
  // In the loop's thread.
  auto redirect = [this, http = std::move(http), bucket, scope, sent_to = routed.url](
                      const std::string& region, std::unique_ptr<Receiver>& waiting) {
    regions_.Learn(http.access->endpoint, bucket, region);
    HttpRequest corrected = regions_.Route(http, bucket);
    // An anonymous request to the same place would be the same.
    if (!IsSigned(*http.access) && corrected.url == sent_to) return false;
    if (scope.costs != nullptr) ++scope.costs->retries;
    loop_.Start(std::move(corrected), scope, std::move(waiting));
    return true;
  };
  std::string region = routed.access->region;
  loop_.Start(std::move(routed), scope,
              NewRegionReceiver(std::move(region), std::move(redirect), std::move(receiver)));
}

void S3Store::StartGet(GetRequest request, Scope scope, GetDone done) {
  if (request.range.length <= 0 || request.range.offset < 0) {
    done(base::MakeError(base::ErrorCode::kInternal, "a GET of no bytes of `" + request.url + "`"));
    return;
  }
  HttpRequest http = ObjectGet(request);
  auto costs = scope.costs;
  const std::string bucket = request.object.bucket;
  Send(std::move(http), bucket, scope,
       NewGetReceiver(std::move(request), std::move(costs), std::move(done)));
}

arrow::Result<Version> S3Store::Stat(const GetRequest& request, const Scope& scope) {
  // Shared: who sets it may still be in it when the waiter has gone on.
  const auto promise = std::make_shared<std::promise<arrow::Result<Version>>>();
  Send(ObjectHead(request), request.object.bucket, scope,
       NewStatReceiver(request, scope.costs, [promise](arrow::Result<Version> version) {
         promise->set_value(std::move(version));
       }));
  return promise->get_future().get();
}

arrow::Result<ListPage> S3Store::List(const ListRequest& request, const Scope& scope) {
  // Shared: who sets it may still be in it when the waiter has gone on.
  const auto promise = std::make_shared<std::promise<arrow::Result<ListPage>>>();
  Send(BucketList(request), request.bucket, scope,
       NewListReceiver(request, scope.costs, [promise](arrow::Result<ListPage> page) {
         promise->set_value(std::move(page));
       }));
  return promise->get_future().get();
}

}  // namespace eider::store
