#include "store/object_store.h"

#include <future>
#include <utility>

namespace eider::store {

arrow::Result<GetResult> ObjectStore::Get(GetRequest request, const Scope& scope) {
  // Shared: who sets it may still be in it when the waiter has gone on.
  const auto promise = std::make_shared<std::promise<arrow::Result<GetResult>>>();
  StartGet(std::move(request), scope,
           [promise](arrow::Result<GetResult> result) { promise->set_value(std::move(result)); });
  return promise->get_future().get();
}

}  // namespace eider::store
