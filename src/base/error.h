// The closed set of errors that Eider gives, carried by arrow::Status.
//
// Inside the process an error is an arrow::Status whose detail is one of ours: MakeError() makes
// it, ErrorOf() reads it. One table (error.cc) says for each code whether a client may retry it and
// what it is over HTTP and Flight. Messages never hold a credential.
#pragma once

#include <arrow/status.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace eider::base {

enum class ErrorCode {
  kInvalidQuery,
  kNotFound,
  kPermissionDenied,
  kOverloaded,
  kDeadlineExceeded,
  kCancelled,
  kWorkerLost,
  kPoisoned,
  kStorageUnavailable,
  kResourceExhausted,
  kInternal,
};

// What an error is to a client.
struct ErrorInfo {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  bool retryable = false;
  // When to come back; only with kOverloaded, and inside store/ with kStorageUnavailable.
  std::optional<int64_t> retry_after_ms;
};

// The name in the API: "INVALID_QUERY".
std::string_view ErrorName(ErrorCode code);
std::optional<ErrorCode> ParseErrorName(std::string_view name);

// The status of an HTTP answer with this error: 400, 404, 403, 503, 504, 499, ...
int HttpStatus(ErrorCode code);

// Whether the same request may well succeed when it is sent again.
bool IsRetryable(ErrorCode code);

// A status with our detail; the arrow::StatusCode is the nearest one.
arrow::Status MakeError(ErrorCode code, std::string message);
arrow::Status MakeError(ErrorInfo info);

// What `status` is to a client: our detail where it has one, otherwise INTERNAL (or CANCELLED,
// RESOURCE_EXHAUSTED where Arrow's own code says so). REQUIRES: !status.ok().
ErrorInfo ErrorOf(const arrow::Status& status);

// An ErrorInfo as the JSON object of the API, {"error": ..., "code": ..., "retryable": ...}, and
// back. This form also travels in Flight's error details.
std::string EncodeError(const ErrorInfo& info);
std::optional<ErrorInfo> DecodeError(std::string_view json);

}  // namespace eider::base
