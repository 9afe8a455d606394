// The Arrow stream of a response as it arrives, decoded and handed to a writer.
#pragma once

#include <arrow/ipc/reader.h>
#include <arrow/result.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "cmd/result_writer.h"

namespace eider::cmd {

// Take() and Finish() by one thread; the counters by any.
class ResultStream {
 public:
  // `writer` must outlive the stream.
  explicit ResultStream(ResultWriter* writer);
  ~ResultStream();

  // The next bytes of the body. Errors: the writer's, and those of a stream that is not Arrow's.
  arrow::Status Take(std::string_view bytes);
  // All bytes are here. Errors: WORKER_LOST where Arrow's end marker is missing: a stream that was
  // cut between two messages looks whole otherwise.
  arrow::Status Finish();

  int64_t rows() const { return rows_; }
  int64_t bytes() const { return bytes_; }

 private:
  class Listener;
  std::shared_ptr<Listener> listener_;
  std::unique_ptr<arrow::ipc::StreamDecoder> decoder_;
  ResultWriter* const writer_;
  std::atomic<int64_t> rows_ = 0;
  std::atomic<int64_t> bytes_ = 0;
};

}  // namespace eider::cmd
