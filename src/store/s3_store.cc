#include "store/s3_store.h"

#include <future>
#include <utility>

#include "base/error.h"
#include "store/receivers.h"
#include "store/s3_request.h"

namespace eider::store {

void S3Store::StartGet(GetRequest request, Scope scope, GetDone done) {
  if (request.range.length <= 0 || request.range.offset < 0) {
    done(base::MakeError(base::ErrorCode::kInternal, "a GET of no bytes of `" + request.url + "`"));
    return;
  }
  HttpRequest http = ObjectGet(request);
  auto costs = scope.costs;
  loop_.Start(std::move(http), scope,
              NewGetReceiver(std::move(request), std::move(costs), std::move(done)));
}

arrow::Result<Version> S3Store::Stat(const GetRequest& request, const Scope& scope) {
  // Shared: who sets it may still be in it when the waiter has gone on.
  const auto promise = std::make_shared<std::promise<arrow::Result<Version>>>();
  loop_.Start(ObjectHead(request), scope,
              NewStatReceiver(request, scope.costs, [promise](arrow::Result<Version> version) {
                promise->set_value(std::move(version));
              }));
  return promise->get_future().get();
}

arrow::Result<ListPage> S3Store::List(const ListRequest& request, const Scope& scope) {
  // Shared: who sets it may still be in it when the waiter has gone on.
  const auto promise = std::make_shared<std::promise<arrow::Result<ListPage>>>();
  loop_.Start(BucketList(request), scope,
              NewListReceiver(request, scope.costs, [promise](arrow::Result<ListPage> page) {
                promise->set_value(std::move(page));
              }));
  return promise->get_future().get();
}

}  // namespace eider::store
