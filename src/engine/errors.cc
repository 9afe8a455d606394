#include "engine/errors.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"
#include "duckdb/common/error_data.hpp"
#include "duckdb/common/exception.hpp"
#include "engine/paths.h"

namespace eider::engine {
namespace {

using base::ErrorCode;

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Below its message DuckDB quotes the SQL, whose words say nothing of what failed.
std::string MessageOf(const duckdb::ErrorData& error) {
  const std::string& whole = error.RawMessage();
  return whole.substr(0, whole.find("\n\nLINE "));
}

// DuckDB knows a failed request's status only where there was an answer; 0 else.
int HttpStatusOf(const duckdb::ErrorData& error) {
  const auto found = error.ExtraInfo().find("status_code");
  if (found != error.ExtraInfo().end()) return std::atoi(found->second.c_str());
  const std::string message = MessageOf(error);
  // Older paths of httpfs only say it in words: "HTTP 404 (Not Found)", "HTTP code 403".
  for (const int status : {400, 401, 403, 404, 429, 500, 502, 503, 504}) {
    const std::string digits = std::to_string(status);
    if (Contains(message, "HTTP " + digits) || Contains(message, "HTTP code " + digits) ||
        Contains(message, digits + " (")) {
      return status;
    }
  }
  return 0;
}

// S3 answers 404 with such a body where it does not know the key id.
bool IsUnknownKey(const duckdb::ErrorData& error) {
  const std::string message = MessageOf(error);
  return Contains(message, "access key") || Contains(message, "AccessKey");
}

// The first of the query's files whose bucket cannot be; nullptr where there is none. The answer to
// a HEAD has no body that would say InvalidBucketName.
const std::string* ImpossibleBucket(const ErrorContext& context) {
  const auto at = std::ranges::find_if(
      context.files, [](const std::string& file) { return !HasPossibleBucket(file); });
  return at == context.files.end() ? nullptr : &*at;
}

ErrorCode CodeOfHttp(const duckdb::ErrorData& error) {
  const int status = HttpStatusOf(error);
  switch (status) {
    case 404:
      return IsUnknownKey(error) ? ErrorCode::kPermissionDenied : ErrorCode::kNotFound;
    case 400:  // to an expired token, or a signature for another region
    case 401:
    case 403:
      return ErrorCode::kPermissionDenied;
    case 408:
    case 429:
      return ErrorCode::kStorageUnavailable;
    default:
      return status >= 300 && status < 500 ? ErrorCode::kInvalidQuery
                                           : ErrorCode::kStorageUnavailable;
  }
}

// IOException covers everything from a missing file to a broken connection; only words tell.
ErrorCode CodeOfIo(const duckdb::ErrorData& error) {
  const std::string message = MessageOf(error);
  if (HttpStatusOf(error) != 0) return CodeOfHttp(error);
  constexpr std::array kMissing = {"No files found", "No such file", "does not exist", "not found"};
  const auto says = [&](const char* words) { return Contains(message, words); };
  // However often it is asked again.
  constexpr std::array kWrong = {"is not empty!", "not a GZIP stream", "Invalid query parameters",
                                 "URL needs to contain"};
  if (std::ranges::any_of(kWrong, says)) return ErrorCode::kInvalidQuery;
  if (std::ranges::any_of(kMissing, says)) return ErrorCode::kNotFound;
  constexpr std::array kFull = {"No space left", "max_temp_directory_size", "disk space"};
  if (std::ranges::any_of(kFull, says)) return ErrorCode::kResourceExhausted;
  constexpr std::array kRemote = {"onnection", "Timeout", "timeout", "timed out", "URL", "://"};
  if (std::ranges::any_of(kRemote, says)) return ErrorCode::kStorageUnavailable;
  return ErrorCode::kInvalidQuery;
}

// Exceptions of other libraries' come as INVALID; these are the Parquet reader's, of a file that is
// not what its footer says.
bool IsBrokenParquet(const duckdb::ErrorData& error) {
  const std::string message = MessageOf(error);
  return Contains(message, "TProtocolException") ||
         Contains(message, "registered for bytes outside file");
}

// The extra information of an exception that carries one of our own errors.
constexpr char kOurCode[] = "eider_code";

ErrorCode CodeOf(const duckdb::ErrorData& error) {
  using duckdb::ExceptionType;
  if (const auto ours = error.ExtraInfo().find(kOurCode); ours != error.ExtraInfo().end()) {
    return base::ParseErrorName(ours->second).value_or(ErrorCode::kInternal);
  }
  switch (error.Type()) {
    case ExceptionType::INTERRUPT:
      return ErrorCode::kCancelled;
    case ExceptionType::PERMISSION:
      return ErrorCode::kPermissionDenied;
    case ExceptionType::OUT_OF_MEMORY:
      return ErrorCode::kResourceExhausted;
    case ExceptionType::HTTP:
      return CodeOfHttp(error);
    case ExceptionType::IO:
      return CodeOfIo(error);
    case ExceptionType::INVALID:
      return IsBrokenParquet(error) ? ErrorCode::kInvalidQuery : ErrorCode::kInternal;
    case ExceptionType::INTERNAL:
    case ExceptionType::FATAL:
    case ExceptionType::NULL_POINTER:
    case ExceptionType::UNKNOWN_TYPE:
      return ErrorCode::kInternal;
    default:
      return ErrorCode::kInvalidQuery;
  }
}

void BlankOut(const std::string& secret, std::string* text) {
  for (size_t at = text->find(secret); at != std::string::npos; at = text->find(secret, at)) {
    text->replace(at, secret.size(), "***");
    at += 3;
  }
}

// DuckDB's own advice for what is in an extension (INSTALL, SET) is for a DuckDB of one's own.
void AdviseExtension(std::string* message) {
  constexpr std::string_view kBefore = "it exists in the ";
  constexpr std::string_view kAfter = " extension";
  const size_t before = message->find(kBefore);
  if (before == std::string::npos) return;
  const size_t name = before + kBefore.size();
  const size_t after = message->find(kAfter, name);
  const size_t advice = message->find("\n\nPlease try installing");
  if (after == std::string::npos || advice == std::string::npos) return;
  message->resize(advice);
  *message += " A worker has it where its --init file says LOAD " +
              message->substr(name, after - name) + ";";
}

// httpfs names an object by its endpoint where it was refused; the URL of the query is added.
void NameFile(const std::vector<std::string>& files, std::string* message) {
  for (const std::string& file : files) {
    const size_t scheme = file.find("://");
    if (scheme == std::string::npos) continue;
    const size_t key = file.find('/', scheme + 3);
    if (key == std::string::npos || Contains(*message, file)) continue;
    if (!Contains(*message, file.substr(key))) continue;
    *message += "\nThe query names it " + file;
    return;
  }
}

// The Parquet reader names no file in these.
void NameBrokenParquet(const std::vector<std::string>& files, std::string* message) {
  constexpr size_t kMostNamed = 3;
  *message += "\nA Parquet file that the query reads is damaged";
  for (size_t i = 0; i < std::min(files.size(), kMostNamed); ++i) {
    *message += (i == 0 ? ": " : ", ") + files[i];
  }
}

}  // namespace

arrow::Status TranslateError(const duckdb::ErrorData& error, const ErrorContext& context) {
  ErrorCode code = CodeOf(error);
  const bool ours = error.ExtraInfo().contains(kOurCode);
  std::string message = ours ? error.RawMessage() : error.Message();
  constexpr int kBadRequest = 400;
  if (code == ErrorCode::kPermissionDenied && !ours && HttpStatusOf(error) == kBadRequest) {
    const std::string* file = ImpossibleBucket(context);
    if (file != nullptr || Contains(message, "InvalidBucketName")) code = ErrorCode::kInvalidQuery;
    if (file != nullptr) message += "\nThe bucket's name is not one that S3 allows: " + *file;
  }
  if (error.Type() == duckdb::ExceptionType::CATALOG && !context.denied_tables.empty()) {
    code = ErrorCode::kPermissionDenied;
    message = "Cannot access file \"" + context.denied_tables.front() +
              "\": it is not an allowed path, and no table of this name exists";
  }
  AdviseExtension(&message);
  if (error.Type() == duckdb::ExceptionType::INVALID && IsBrokenParquet(error)) {
    NameBrokenParquet(context.files, &message);
  }
  // Of a defect of DuckDB's: addresses and folders of this machine.
  message.resize(std::min(message.size(), message.find("\n\nStack Trace:")));
  if (code == ErrorCode::kPermissionDenied || code == ErrorCode::kNotFound ||
      code == ErrorCode::kStorageUnavailable) {
    NameFile(context.files, &message);
  }
  // A key of two letters would blank out half of every message, and is no key.
  constexpr size_t kShortestCredential = 4;
  for (const std::string& credential : context.credentials) {
    if (credential.size() >= kShortestCredential) BlankOut(credential, &message);
  }
  return base::MakeError(code, std::move(message));
}

arrow::Status TranslateException(const std::exception& exception, const ErrorContext& context) {
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr) {
    return base::MakeError(ErrorCode::kResourceExhausted, "out of memory");
  }
  return TranslateError(duckdb::ErrorData(exception), context);
}

void ThrowStatus(const arrow::Status& status) {
  const base::ErrorInfo info = base::ErrorOf(status);
  if (info.code == ErrorCode::kCancelled) throw duckdb::InterruptException();
  const duckdb::unordered_map<duckdb::string, duckdb::string> extra = {
      {kOurCode, std::string(base::ErrorName(info.code))}};
  throw duckdb::IOException(extra, info.message);
}

}  // namespace eider::engine
