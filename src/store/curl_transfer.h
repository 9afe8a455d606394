// One request on a libcurl handle: its options, its signature, its callbacks.
#pragma once

#include <curl/curl.h>

#include <array>
#include <cstdint>
#include <memory>

#include "store/exchange.h"
#include "store/transfer_options.h"

namespace eider::store {

// Used from the loop's thread only. `share` and the receiver outlive it.
class CurlTransfer {
 public:
  CurlTransfer(const HttpRequest& request, Receiver& receiver, const TransferOptions& options,
               CURLSH* share);
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  CURL* handle() { return handle_.get(); }
  bool answering() const { return head_done_; }         // the head is there
  int64_t received_bytes() const { return received_; }  // of the body
  // What libcurl's result is to the receiver.
  ExchangeEnd EndOf(CURLcode code) const;

 private:
  void SetOptions(const HttpRequest& request, const TransferOptions& options);
  void SetAccess(const Access& access, bool is_signed);
  void SetCallbacks();
  bool TakeHeaderLine(std::string_view line);
  bool TakeBody(std::span<const uint8_t> piece);
  static size_t OnHeader(char* data, size_t size, size_t count, void* user);
  static size_t OnData(char* data, size_t size, size_t count, void* user);

  struct FreeHandle {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  };
  struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };

  Receiver& receiver_;
  std::unique_ptr<curl_slist, FreeList> headers_;
  std::array<char, CURL_ERROR_SIZE> detail_{};  // libcurl writes here until the handle is gone
  HttpHead head_;
  int64_t head_bytes_ = 0;
  bool head_done_ = false;
  bool refused_ = false;  // by the receiver
  int64_t received_ = 0;
  std::unique_ptr<CURL, FreeHandle> handle_;  // last: it refers to all of these
};

}  // namespace eider::store
