#include "rpc/flight/errors.h"

#include <arrow/flight/api.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace eider::rpc::flight {
namespace {

using arrow::flight::FlightStatusCode;
using arrow::flight::FlightStatusDetail;
using base::ErrorCode;
using base::ErrorInfo;

// gRPC drops a call's whole error when its trailers pass 8 KiB. The summary goes there as it is, in
// percent encoding (three times as long) and in base64; the full message once, in base64.
constexpr size_t kMaxSummaryBytes = 512;
constexpr size_t kMaxInfoBytes = 3072;

FlightStatusCode FlightCodeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kPermissionDenied:
      return FlightStatusCode::Unauthorized;
    case ErrorCode::kDeadlineExceeded:
      return FlightStatusCode::TimedOut;
    case ErrorCode::kCancelled:
      return FlightStatusCode::Cancelled;
    case ErrorCode::kOverloaded:
    case ErrorCode::kWorkerLost:
    case ErrorCode::kStorageUnavailable:
      return FlightStatusCode::Unavailable;
    case ErrorCode::kInvalidQuery:
    case ErrorCode::kNotFound:
    case ErrorCode::kPoisoned:
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kInternal:
      return FlightStatusCode::Failed;
  }
  return FlightStatusCode::Failed;
}

bool IsUtf8Continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// The first `max` bytes of `text` or fewer, never half a character.
std::string Cut(const std::string& text, size_t max) {
  if (text.size() <= max) return text;
  size_t end = max;
  while (end > 0 && IsUtf8Continuation(text[end])) --end;
  return text.substr(0, end) + "...";
}

// The JSON of `info`, its message cut until it fits (escapes lengthen it).
std::string EncodeWithin(ErrorInfo info, size_t max) {
  std::string json = base::EncodeError(info);
  for (size_t keep = max; json.size() > max; keep /= 2) {
    info.message = Cut(info.message, keep);
    json = base::EncodeError(info);
  }
  return json;
}

// gRPC's own words, without what Flight puts before and after them.
std::string WithoutWrapping(const std::string& message) {
  constexpr std::string_view kBefore = "with message: ";
  constexpr std::string_view kAfter = ". gRPC client debug context";
  size_t begin = message.find(kBefore);
  begin = begin == std::string::npos ? 0 : begin + kBefore.size();
  const size_t end = message.find(kAfter, begin);
  return message.substr(begin, end == std::string::npos ? end : end - begin);
}

}  // namespace

arrow::Status ToFlight(const arrow::Status& status) {
  if (status.ok()) return status;
  const ErrorInfo info = base::ErrorOf(status);
  return arrow::Status(status.code(), Cut(info.message, kMaxSummaryBytes),
                       std::make_shared<FlightStatusDetail>(FlightCodeOf(info.code),
                                                            EncodeWithin(info, kMaxInfoBytes)));
}

arrow::Status FromFlight(const arrow::Status& status, const std::string& peer) {
  if (status.ok()) return status;
  if (const auto detail = FlightStatusDetail::UnwrapStatus(status)) {
    if (auto info = base::DecodeError(detail->extra_info())) {
      return base::MakeError(*std::move(info));
    }
  }
  return base::MakeError(ErrorCode::kWorkerLost, "lost the connection to " + peer + ": " +
                                                     WithoutWrapping(status.message()));
}

}  // namespace eider::rpc::flight
