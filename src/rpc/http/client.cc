#include "rpc/http/client.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace eider::rpc {
namespace {

using base::ErrorCode;

constexpr long kConnectTimeoutMs = 10'000;

void InitCurlOnce() {
  static const CURLcode done = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(done);
}

// What the callbacks of one fetch fill.
struct Transfer {
  CURL* curl = nullptr;
  const HttpClient::OnBody& on_body;
  HttpClient::Response response;
  arrow::Status refused = arrow::Status::OK();  // by on_body
};

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

size_t OnHeader(char* data, size_t size, size_t count, void* user) {
  auto& response = static_cast<Transfer*>(user)->response;
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) response.headers.clear();  // that was a 100 Continue before it
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return size * count;
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  response.headers.emplace_back(std::move(name), std::string(Trim(line.substr(colon + 1))));
  return size * count;
}

size_t OnData(char* data, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view piece(data, size * count);
  long status = 0;
  curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &status);
  if (!transfer.on_body || status < 200 || status > 299) {
    transfer.response.body.append(piece);
    return piece.size();
  }
  transfer.refused = transfer.on_body(piece);
  return transfer.refused.ok() ? piece.size() : CURL_WRITEFUNC_ERROR;
}

arrow::Status FetchError(CURLcode code, const std::string& url, std::string_view detail) {
  const std::string why = detail.empty() ? curl_easy_strerror(code) : std::string(detail);
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return base::MakeError(ErrorCode::kInvalidQuery, "`" + url + "` is no http:// URL: " + why);
    case CURLE_OPERATION_TIMEDOUT:
      return base::MakeError(ErrorCode::kDeadlineExceeded, url + " did not answer in time: " + why);
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
      return arrow::Status::IOError("cannot connect to ", url, ": ", why);
    default:
      return base::MakeError({.code = ErrorCode::kInternal,
                              .message = "the answer of " + url + " broke off: " + why,
                              .retryable = true,
                              .retry_after_ms = std::nullopt});
  }
}

class HeaderList {
 public:
  ~HeaderList() { curl_slist_free_all(list_); }
  HeaderList() = default;
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  void Add(const std::string& line) { list_ = curl_slist_append(list_, line.c_str()); }
  curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

void SetRequest(CURL* curl, const std::string& method, const std::string& body) {
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method.c_str());
  if (method == "HEAD") curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  if (method != "POST" && body.empty()) return;
  curl_easy_setopt(curl, CURLOPT_POST, 1L);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
}

}  // namespace

struct HttpClient::Handle {
  CURL* curl = nullptr;
  ~Handle() { curl_easy_cleanup(curl); }
};

std::string_view HttpClient::Response::Header(std::string_view name) const {
  for (const auto& [known, value] : headers) {
    if (known == name) return value;
  }
  return {};
}

HttpClient::HttpClient() : handle_(std::make_unique<Handle>()) {
  InitCurlOnce();
  handle_->curl = curl_easy_init();
}

HttpClient::~HttpClient() = default;

arrow::Result<HttpClient::Response> HttpClient::Fetch(const std::string& method,
                                                      const std::string& url,
                                                      const Headers& headers,
                                                      const std::string& body, int64_t timeout_ms,
                                                      const OnBody& on_body) {
  CURL* const curl = handle_->curl;
  if (curl == nullptr) return arrow::Status::OutOfMemory("libcurl gives no handle");
  curl_easy_reset(curl);  // the options; connections stay
  Transfer transfer{.curl = curl, .on_body = on_body, .response = {}};
  char detail[CURL_ERROR_SIZE] = {};
  HeaderList lines;
  for (const auto& [name, value] : headers) lines.Add(name + ": " + value);
  SetRequest(curl, method, body);
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, lines.get());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ms));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnData);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  const CURLcode code = curl_easy_perform(curl);
  ARROW_RETURN_NOT_OK(transfer.refused);
  if (code != CURLE_OK) return FetchError(code, url, detail);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  transfer.response.status = static_cast<int>(status);
  return std::move(transfer.response);
}

arrow::Result<HttpClient::Response> Fetch(const std::string& method, const std::string& url,
                                          const HttpClient::Headers& headers,
                                          const std::string& body, int64_t timeout_ms,
                                          const HttpClient::OnBody& on_body) {
  return HttpClient().Fetch(method, url, headers, body, timeout_ms, on_body);
}

}  // namespace eider::rpc
