#include "store/curl_transfer.h"

#include <new>
#include <string>
#include <string_view>

#include "config/limits.h"
#include "store/s3_request.h"

namespace eider::store {
namespace {

constexpr long kReadBufferBytes = 128 * 1024;

// "HTTP/1.1 206 Partial Content"; 0 where it is none.
int StatusOf(std::string_view line) {
  const size_t blank = line.find(' ');
  if (!line.starts_with("HTTP/") || blank == std::string_view::npos) return 0;
  return static_cast<int>(ParseByteCount(line.substr(blank + 1, 3)).value_or(0));
}

ExchangeEnd::Kind KindOf(CURLcode code) {
  switch (code) {
    case CURLE_OK:
      return ExchangeEnd::Kind::kComplete;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
      return ExchangeEnd::Kind::kUntrusted;
    case CURLE_URL_MALFORMAT:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_NOT_BUILT_IN:
      return ExchangeEnd::Kind::kUnusable;
    default:
      return ExchangeEnd::Kind::kBroken;
  }
}

}  // namespace

CurlTransfer::CurlTransfer(const HttpRequest& request, Receiver& receiver,
                           const TransferOptions& options, CURLSH* share)
    : receiver_(receiver), handle_(curl_easy_init()) {
  if (handle_ == nullptr) throw std::bad_alloc();
  curl_easy_setopt(handle(), CURLOPT_SHARE, share);
  SetOptions(request, options);
  SetAccess(*request.access, IsSigned(*request.access));
  SetCallbacks();
}

void CurlTransfer::SetOptions(const HttpRequest& request, const TransferOptions& options) {
  for (const std::string& line : request.headers) {
    curl_slist* longer = curl_slist_append(headers_.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    static_cast<void>(headers_.release());
    headers_.reset(longer);
  }
  curl_easy_setopt(handle(), CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(handle(), CURLOPT_PATH_AS_IS, 1L);  // a key may hold `/../`
  curl_easy_setopt(handle(), CURLOPT_HTTPHEADER, headers_.get());
  if (request.kind == HttpRequest::Kind::kHead) curl_easy_setopt(handle(), CURLOPT_NOBODY, 1L);
  curl_easy_setopt(handle(), CURLOPT_USERAGENT, "eider");
  // One request at a time on a connection: parallel GETs want windows of their own, and ending one
  // must not disturb another. (S3 speaks nothing newer.)
  curl_easy_setopt(handle(), CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(handle(), CURLOPT_FOLLOWLOCATION, 0L);  // never with credentials elsewhere
  curl_easy_setopt(handle(), CURLOPT_NOSIGNAL, 1L);
  // Otherwise giving up a request while its host is looked up waits for the resolver.
  curl_easy_setopt(handle(), CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(handle(), CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(options.connect_timeout_ms));
  curl_easy_setopt(handle(), CURLOPT_MAXAGE_CONN,
                   static_cast<long>(config::kS3ConnectionAgeSeconds));
  curl_easy_setopt(handle(), CURLOPT_BUFFERSIZE, kReadBufferBytes);
  curl_easy_setopt(handle(), CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

void CurlTransfer::SetAccess(const Access& access, bool is_signed) {
  curl_easy_setopt(handle(), CURLOPT_PROTOCOLS_STR, access.use_ssl ? "https" : "http");
  // Set also where empty: what the environment says of proxies must not count.
  curl_easy_setopt(handle(), CURLOPT_PROXY, access.proxy.c_str());
  curl_easy_setopt(handle(), CURLOPT_NOPROXY, "");
  if (!access.proxy_user_password.empty()) {
    curl_easy_setopt(handle(), CURLOPT_PROXYUSERPWD, access.proxy_user_password.c_str());
  }
  if (!access.ca_file.empty()) {
    curl_easy_setopt(handle(), CURLOPT_CAINFO, access.ca_file.c_str());
  }
  if (!is_signed) return;
  curl_easy_setopt(handle(), CURLOPT_AWS_SIGV4, ("aws:amz:" + access.region + ":s3").c_str());
  curl_easy_setopt(handle(), CURLOPT_USERNAME, access.key_id.c_str());
  curl_easy_setopt(handle(), CURLOPT_PASSWORD, access.secret_key.c_str());
}

void CurlTransfer::SetCallbacks() {
  curl_easy_setopt(handle(), CURLOPT_ERRORBUFFER, detail_.data());
  curl_easy_setopt(handle(), CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(handle(), CURLOPT_HEADERDATA, this);
  curl_easy_setopt(handle(), CURLOPT_WRITEFUNCTION, OnData);
  curl_easy_setopt(handle(), CURLOPT_WRITEDATA, this);
}

bool CurlTransfer::TakeHeaderLine(std::string_view line) {
  if (head_done_) return true;  // a trailer
  head_bytes_ += static_cast<int64_t>(line.size());
  if (head_bytes_ > config::kMaxS3HeaderBytes) return false;
  if (line.starts_with("HTTP/")) {
    head_ = HttpHead{.status = StatusOf(line)};
    return true;
  }
  if (line.find_first_not_of("\r\n") != std::string_view::npos) {
    AddHeaderLine(line, head_);
    return true;
  }
  if (head_.status < 200) return true;  // 100 Continue and the like: the answer comes after it
  head_done_ = true;
  refused_ = !receiver_.OnHead(head_);
  return !refused_;
}

bool CurlTransfer::TakeBody(std::span<const uint8_t> piece) {
  received_ += static_cast<int64_t>(piece.size());
  refused_ = !receiver_.OnBody(piece);
  return !refused_;
}

size_t CurlTransfer::OnHeader(char* data, size_t size, size_t count, void* user) {
  auto* transfer = static_cast<CurlTransfer*>(user);
  return transfer->TakeHeaderLine({data, size * count}) ? size * count : CURL_WRITEFUNC_ERROR;
}

size_t CurlTransfer::OnData(char* data, size_t size, size_t count, void* user) {
  auto* transfer = static_cast<CurlTransfer*>(user);
  const std::span piece(reinterpret_cast<const uint8_t*>(data), size * count);
  return transfer->TakeBody(piece) ? piece.size() : CURL_WRITEFUNC_ERROR;
}

ExchangeEnd CurlTransfer::EndOf(CURLcode code) const {
  if (refused_) return {.kind = ExchangeEnd::Kind::kRefused};
  const std::string_view detail(detail_.data());
  return {.kind = KindOf(code),
          .why = detail.empty() ? curl_easy_strerror(code) : std::string(detail)};
}

}  // namespace eider::store
