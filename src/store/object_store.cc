#include "store/object_store.h"

#include <future>
#include <utility>

namespace eider::store {

arrow::Result<GetResult> ObjectStore::Get(GetRequest request, const Scope& scope) {
  std::promise<arrow::Result<GetResult>> promise;
  StartGet(std::move(request), scope, [&promise](arrow::Result<GetResult> result) {
    promise.set_value(std::move(result));
  });
  return promise.get_future().get();
}

}  // namespace eider::store
