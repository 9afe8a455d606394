// A small HTTP client on libcurl: for the command line, announcements and probes.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace eider::rpc {

// Keeps its connections open between calls. Not thread-safe: one object for each thread.
class HttpClient {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  struct Response {
    int status = 0;
    Headers headers;   // names in lower case
    std::string body;  // empty where on_body took it

    // The value of a header, "" when there is none. `name` in lower case.
    std::string_view Header(std::string_view name) const;
  };

  // Takes a piece of a body; an error ends the fetch with that error.
  using OnBody = std::function<arrow::Status(std::string_view)>;

  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Blocks until the answer is whole. With `on_body` the body of a 2xx answer goes there piece by
  // piece as it arrives; every other body is gathered in the Response. timeout_ms is for all of it,
  // 0 for none. Environment proxies are not used: these are addresses inside a cluster.
  // Any HTTP status is an answer. Errors: DEADLINE_EXCEEDED; INVALID_QUERY for a URL that is none;
  // INTERNAL, retryable, where the connection broke before the body's end; an IOError without a
  // code where there was none.
  arrow::Result<Response> Fetch(const std::string& method, const std::string& url,
                                const Headers& headers, const std::string& body, int64_t timeout_ms,
                                const OnBody& on_body = {});

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

// The same with a connection of its own.
arrow::Result<HttpClient::Response> Fetch(const std::string& method, const std::string& url,
                                          const HttpClient::Headers& headers,
                                          const std::string& body, int64_t timeout_ms,
                                          const HttpClient::OnBody& on_body = {});

}  // namespace eider::rpc
