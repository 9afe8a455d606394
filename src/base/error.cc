#include "base/error.h"

#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

namespace eider::base {
namespace {

struct Row {
  ErrorCode code;
  std::string_view name;
  bool retryable;
  int http;
  arrow::StatusCode arrow;
};

// 499 is the field's custom for a client that closed its request.
constexpr std::array kTable = {
    Row{ErrorCode::kInvalidQuery, "INVALID_QUERY", false, 400, arrow::StatusCode::Invalid},
    Row{ErrorCode::kNotFound, "NOT_FOUND", false, 404, arrow::StatusCode::KeyError},
    Row{ErrorCode::kPermissionDenied, "PERMISSION_DENIED", false, 403, arrow::StatusCode::Invalid},
    Row{ErrorCode::kOverloaded, "OVERLOADED", true, 503, arrow::StatusCode::CapacityError},
    Row{ErrorCode::kDeadlineExceeded, "DEADLINE_EXCEEDED", false, 504,
        arrow::StatusCode::Cancelled},
    Row{ErrorCode::kCancelled, "CANCELLED", false, 499, arrow::StatusCode::Cancelled},
    Row{ErrorCode::kWorkerLost, "WORKER_LOST", true, 502, arrow::StatusCode::IOError},
    Row{ErrorCode::kPoisoned, "POISONED", false, 422, arrow::StatusCode::ExecutionError},
    Row{ErrorCode::kStorageUnavailable, "STORAGE_UNAVAILABLE", true, 502,
        arrow::StatusCode::IOError},
    Row{ErrorCode::kResourceExhausted, "RESOURCE_EXHAUSTED", false, 507,
        arrow::StatusCode::OutOfMemory},
    Row{ErrorCode::kInternal, "INTERNAL", false, 500, arrow::StatusCode::UnknownError},
};

const Row& RowOf(ErrorCode code) {
  for (const Row& row : kTable) {
    if (row.code == code) return row;
  }
  return kTable.back();
}

constexpr char kDetailType[] = "eider::base::ErrorInfo";

class ErrorDetail final : public arrow::StatusDetail {
 public:
  explicit ErrorDetail(ErrorInfo info) : info_(std::move(info)) {}
  const char* type_id() const override { return kDetailType; }
  std::string ToString() const override { return std::string(ErrorName(info_.code)); }
  const ErrorInfo& info() const { return info_; }

 private:
  const ErrorInfo info_;
};

}  // namespace

std::string_view ErrorName(ErrorCode code) { return RowOf(code).name; }

std::optional<ErrorCode> ParseErrorName(std::string_view name) {
  for (const Row& row : kTable) {
    if (row.name == name) return row.code;
  }
  return std::nullopt;
}

int HttpStatus(ErrorCode code) { return RowOf(code).http; }

bool IsRetryable(ErrorCode code) { return RowOf(code).retryable; }

arrow::Status MakeError(ErrorCode code, std::string message) {
  return MakeError(ErrorInfo{.code = code,
                             .message = std::move(message),
                             .retryable = IsRetryable(code),
                             .retry_after_ms = std::nullopt});
}

arrow::Status MakeError(ErrorInfo info) {
  const arrow::StatusCode code = RowOf(info.code).arrow;
  std::string message = info.message;
  return arrow::Status(code, std::move(message), std::make_shared<ErrorDetail>(std::move(info)));
}

ErrorInfo ErrorOf(const arrow::Status& status) {
  if (status.detail() != nullptr && std::string_view(status.detail()->type_id()) == kDetailType) {
    return static_cast<const ErrorDetail&>(*status.detail()).info();
  }
  ErrorInfo info{.code = ErrorCode::kInternal, .message = status.message()};
  if (status.IsCancelled()) info.code = ErrorCode::kCancelled;
  if (status.IsOutOfMemory()) info.code = ErrorCode::kResourceExhausted;
  info.retryable = IsRetryable(info.code);
  return info;
}

std::string EncodeError(const ErrorInfo& info) {
  nlohmann::json json = {
      {"error", info.message}, {"code", ErrorName(info.code)}, {"retryable", info.retryable}};
  if (info.retry_after_ms) json["retry_after_ms"] = *info.retry_after_ms;
  // DuckDB's messages may quote bytes of the user's that are not UTF-8.
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::optional<ErrorInfo> DecodeError(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("code") || !json["code"].is_string()) return std::nullopt;
  const auto code = ParseErrorName(json["code"].get<std::string>());
  if (!code) return std::nullopt;
  ErrorInfo info{.code = *code, .retryable = IsRetryable(*code)};
  if (const auto at = json.find("error"); at != json.end() && at->is_string()) info.message = *at;
  if (const auto at = json.find("retryable"); at != json.end() && at->is_boolean()) {
    info.retryable = *at;
  }
  if (const auto at = json.find("retry_after_ms"); at != json.end() && at->is_number_integer()) {
    info.retry_after_ms = at->get<int64_t>();
  }
  return info;
}

}  // namespace eider::base
