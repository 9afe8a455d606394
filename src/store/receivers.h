// What takes the answers to S3Store's three kinds of requests.
#pragma once

#include <arrow/result.h>

#include <functional>
#include <memory>

#include "store/exchange.h"
#include "store/object_store.h"

namespace eider::store {

// Each calls `done` exactly once and counts what the request costs in `costs`, which may be null.
std::unique_ptr<Receiver> NewGetReceiver(GetRequest request, std::shared_ptr<Costs> costs,
                                         ObjectStore::GetDone done);
std::unique_ptr<Receiver> NewStatReceiver(GetRequest request, std::shared_ptr<Costs> costs,
                                          std::function<void(arrow::Result<Version>)> done);
std::unique_ptr<Receiver> NewListReceiver(ListRequest request, std::shared_ptr<Costs> costs,
                                          std::function<void(arrow::Result<ListPage>)> done);

}  // namespace eider::store
