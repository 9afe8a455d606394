#include "store/answer_error.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "store/s3_request.h"
#include "store/url.h"
#include "store/xml.h"

namespace eider::store {
namespace {

using base::ErrorCode;

constexpr size_t kMaxQuotedChars = 300;

// What S3's error document says.
struct ErrorDocument {
  std::string code;
  std::string message;
  std::string region;
};

ErrorDocument ParseDocument(std::string_view body) {
  const auto root = ParseXml(body);
  if (!root.ok() || root->name != "Error") return {};
  return {.code = std::string(root->TextOf("Code")),
          .message = std::string(root->TextOf("Message")),
          .region = std::string(root->TextOf("Region"))};
}

// Servers have been seen to repeat what they were sent.
std::string WithoutCredentials(std::string text, const Access& access) {
  for (const std::string* secret :
       {&access.secret_key, &access.session_token, &access.bearer_token, &access.key_id}) {
    if (secret->empty()) continue;
    for (size_t at = text.find(*secret); at != std::string::npos; at = text.find(*secret, at)) {
      text.replace(at, secret->size(), "...");
    }
  }
  return text;
}

template <size_t kCount>
bool IsAmong(std::string_view code, const std::array<std::string_view, kCount>& codes) {
  return std::ranges::find(codes, code) != codes.end();
}

constexpr std::array<std::string_view, 9> kRefusals = {"ExpiredToken",
                                                       "InvalidToken",
                                                       "TokenRefreshRequired",
                                                       "AuthorizationHeaderMalformed",
                                                       "AuthorizationQueryParametersError",
                                                       "InvalidAccessKeyId",
                                                       "SignatureDoesNotMatch",
                                                       "AccessDenied",
                                                       "PermanentRedirect"};
constexpr std::array<std::string_view, 5> kPassing = {"RequestTimeout", "SlowDown", "InternalError",
                                                      "ServiceUnavailable", "Throttling"};

ErrorCode CodeOf(int status, const ErrorDocument& document, bool is_signed) {
  if (IsAmong(document.code, kPassing)) return ErrorCode::kStorageUnavailable;
  if (status >= 300 && status < 400) return ErrorCode::kPermissionDenied;
  switch (status) {
    case 401:
    case 403:
      return ErrorCode::kPermissionDenied;
    case 400:
      // The answer to a HEAD has no body to tell an expired token by.
      if (IsAmong(document.code, kRefusals) || (document.code.empty() && is_signed)) {
        return ErrorCode::kPermissionDenied;
      }
      return ErrorCode::kInvalidQuery;
    case 404:
      return ErrorCode::kNotFound;
    case 408:
    case 429:
      return ErrorCode::kStorageUnavailable;
    default:
      return status >= 400 && status < 500 ? ErrorCode::kInvalidQuery
                                           : ErrorCode::kStorageUnavailable;
  }
}

// It becomes part of a host's name.
bool IsRegion(std::string_view text) {
  constexpr size_t kMaxChars = 40;
  return !text.empty() && text.size() <= kMaxChars &&
         std::ranges::all_of(text, [](unsigned char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

std::string RegionIn(const HttpHead& head, const ErrorDocument& document) {
  std::string region(head.Find("x-amz-bucket-region"));
  if (region.empty()) region = document.region;
  return IsRegion(region) ? region : std::string();
}

// What the user can do about it; begins with ": " where there is something.
std::string Advice(const Subject& subject, ErrorCode code, const HttpHead& head,
                   const ErrorDocument& document) {
  const std::string region = RegionIn(head, document);
  const bool elsewhere = !region.empty() && region != subject.access.region;
  if (elsewhere && (head.status == 400 || (head.status >= 300 && head.status < 400))) {
    return ": bucket `" + subject.bucket + "` is in region `" + region +
           "`, and the request was for `" + subject.access.region + "`. Set AWS_REGION=" + region +
           " (or REGION of the secret)";
  }
  if (head.status >= 300 && head.status < 400) {
    if (subject.access.plain_http) {
      return ": it redirects to `" + UrlForMessages(head.Find("location")) +
             "`, which is not followed. Use that URL";
    }
    return ": the bucket is read by another endpoint. Set AWS_ENDPOINT_URL and AWS_REGION to its";
  }
  if (document.code == "ExpiredToken" || document.code == "TokenRefreshRequired") {
    return ". The session token has expired: renew the credentials";
  }
  if (document.code == "RequestTimeTooSkewed") return ". Set this machine's clock";
  if (code == ErrorCode::kPermissionDenied && !subject.access.plain_http) {
    if (IsAnonymous(subject.access)) {
      return ". The request was anonymous: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
             "create a secret";
    }
    if (document.code.empty()) return ". Check credentials, region and the bucket's policy";
  }
  return {};
}

std::string Where(const Subject& subject) { return "`" + UrlForMessages(subject.url) + "`"; }

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string What(ErrorCode code) {
  if (code == ErrorCode::kNotFound) return "there is no ";
  if (code == ErrorCode::kPermissionDenied) return "not allowed to read ";
  return "cannot read ";
}

}  // namespace

arrow::Status AnswerError(const Subject& subject, const HttpHead& head, std::string_view body) {
  const ErrorDocument document = ParseDocument(body);
  const ErrorCode code = CodeOf(head.status, document, IsSigned(subject.access));
  std::string message = What(code) + Where(subject) + ": " + subject.access.endpoint +
                        " answered " + std::to_string(head.status);
  if (!document.code.empty()) message += " " + document.code;
  if (!document.message.empty())
    message += " (" + document.message.substr(0, kMaxQuotedChars) + ")";
  message += Advice(subject, code, head, document);
  base::ErrorInfo info{.code = code,
                       .message = WithoutCredentials(std::move(message), subject.access),
                       .retryable = base::IsRetryable(code) && head.status != 501,
                       .retry_after_ms = std::nullopt};
  if (code == ErrorCode::kStorageUnavailable) {
    info.retry_after_ms = ParseRetryAfterMs(head.Find("retry-after"), NowMs());
  }
  return base::MakeError(std::move(info));
}

arrow::Status EndError(const Subject& subject, const ExchangeEnd& end) {
  switch (end.kind) {
    case ExchangeEnd::Kind::kCancelled:
      return base::MakeError(ErrorCode::kCancelled, "cancelled while reading " + Where(subject));
    case ExchangeEnd::Kind::kDeadline:
      return base::MakeError(ErrorCode::kDeadlineExceeded,
                             "the deadline passed while reading " + Where(subject));
    case ExchangeEnd::Kind::kUntrusted:
      return base::MakeError({.code = ErrorCode::kStorageUnavailable,
                              .message = "cannot read " + Where(subject) + ": " +
                                         subject.access.endpoint + " is not trusted: " + end.why +
                                         ". Name its certificate authority's file (AWS_CA_BUNDLE)",
                              .retryable = false,
                              .retry_after_ms = std::nullopt});
    case ExchangeEnd::Kind::kUnusable:
      return base::MakeError(ErrorCode::kInvalidQuery,
                             "cannot read " + Where(subject) + ": " + end.why);
    default:
      return base::MakeError(
          ErrorCode::kStorageUnavailable,
          "cannot read " + Where(subject) + ": " + subject.access.endpoint + ": " + end.why);
  }
}

arrow::Status NonsenseError(const Subject& subject, std::string_view why) {
  return base::MakeError(ErrorCode::kStorageUnavailable,
                         "cannot read " + Where(subject) + ": the answer of " +
                             subject.access.endpoint + " makes no sense: " + std::string(why));
}

std::string RegionInRefusal(const HttpHead& head, std::string_view body) {
  return RegionIn(head, ParseDocument(body));
}

int64_t SizeInError(std::string_view body) {
  const auto root = ParseXml(body);
  if (!root.ok() || root->name != "Error") return -1;
  return ParseByteCount(root->TextOf("ActualObjectSize")).value_or(-1);
}

}  // namespace eider::store
