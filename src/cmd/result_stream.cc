#include "cmd/result_stream.h"

#include <arrow/buffer.h>

#include <string>

#include "base/error.h"

namespace eider::cmd {

class ResultStream::Listener final : public arrow::ipc::Listener {
 public:
  explicit Listener(ResultStream* stream) : stream_(stream) {}

  arrow::Status OnSchemaDecoded(std::shared_ptr<arrow::Schema> schema) override {
    return stream_->writer_->Begin(schema);
  }
  arrow::Status OnRecordBatchDecoded(std::shared_ptr<arrow::RecordBatch> batch) override {
    stream_->rows_ += batch->num_rows();
    return stream_->writer_->Write(*batch);
  }
  arrow::Status OnEOS() override {
    ended_ = true;
    return arrow::Status::OK();
  }
  bool ended() const { return ended_; }

 private:
  ResultStream* const stream_;
  bool ended_ = false;
};

ResultStream::ResultStream(ResultWriter* writer)
    : listener_(std::make_shared<Listener>(this)),
      decoder_(std::make_unique<arrow::ipc::StreamDecoder>(listener_)),
      writer_(writer) {}

ResultStream::~ResultStream() = default;

arrow::Status ResultStream::Take(std::string_view bytes) {
  bytes_ += static_cast<int64_t>(bytes.size());
  if (listener_->ended()) {
    return base::MakeError(base::ErrorCode::kInternal, "the result goes on past its end");
  }
  // The decoder keeps slices of what it is given only until the next call, but a batch that spans
  // two calls needs the bytes of the first: hand it a copy that it owns.
  return decoder_->Consume(arrow::Buffer::FromString(std::string(bytes)));
}

arrow::Status ResultStream::Finish() {
  if (!listener_->ended()) {
    return base::MakeError(base::ErrorCode::kWorkerLost,
                           "the result broke off before its end: nothing of it can be trusted");
  }
  return writer_->End();
}

}  // namespace eider::cmd
