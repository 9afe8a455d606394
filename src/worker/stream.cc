#include "worker/stream.h"

#include "base/error.h"

namespace eider::worker {

void TaskStream::Cancel() {
  task_->Interrupt(base::MakeError(base::ErrorCode::kCancelled, "the query was cancelled"));
}

}  // namespace eider::worker
