// A BatchStream as the RecordBatchReader that Flight writes from.
#pragma once

#include <arrow/record_batch.h>

#include <memory>
#include <utility>

#include "protocol/channel.h"
#include "rpc/flight/errors.h"

namespace eider::rpc::flight {

// Passes errors on in Flight's form. Owns the stream.
class BatchReader final : public arrow::RecordBatchReader {
 public:
  explicit BatchReader(std::unique_ptr<protocol::BatchStream> stream)
      : stream_(std::move(stream)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return stream_->schema(); }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    auto next = stream_->Next();
    if (!next.ok()) return ToFlight(next.status());
    *batch = *std::move(next);
    return arrow::Status::OK();
  }

 private:
  const std::unique_ptr<protocol::BatchStream> stream_;
};

}  // namespace eider::rpc::flight
