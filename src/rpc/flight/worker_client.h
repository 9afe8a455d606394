// The coordinator's way to a worker, over Flight.
#pragma once

#include "coordinator/worker_client.h"

namespace eider::rpc::flight {

coordinator::WorkerClientFactory MakeWorkerClientFactory();

}  // namespace eider::rpc::flight
