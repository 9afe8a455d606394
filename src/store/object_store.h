// The seam to object storage: everything that reads S3 goes through it.
//
// Real: S3Store (s3_store.h) on libcurl. Decorators: RetryingStore, HedgingStore. Tests put a fake
// or a faulty one in its place.
#pragma once

#include <arrow/buffer.h>
#include <arrow/result.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace eider::store {

// Where a bucket is and with what it is read. Never logged, never in a message.
struct Access {
  std::string endpoint;  // "host" or "host:port"; never empty
  std::string region;    // signed for; never empty
  std::string key_id;    // empty: requests are anonymous
  std::string secret_key;
  std::string session_token;
  std::string bearer_token;     // of Google: sent instead of a signature
  bool requester_pays = false;  // the bucket's owner does not
  bool path_style = false;      // endpoint/bucket/key instead of bucket.endpoint/key
  bool use_ssl = true;
  std::string ca_file;  // empty: the system's
  std::string proxy;    // "http://host:port"; empty: none
  std::string proxy_user_password;
  // A plain https:// file instead of an object in a bucket: unsigned, `ObjectName::key` is its path
  // with its query string, already percent-encoded.
  bool plain_http = false;
  bool operator==(const Access&) const = default;
};

struct ObjectName {
  std::string bucket;
  std::string key;  // as S3 knows it: not percent-encoded
  bool operator==(const ObjectName&) const = default;
};

// One state of an object. An object that was overwritten has another ETag.
struct Version {
  int64_t size = 0;
  // With its quotes, as the server sent it. Where it sends none: a tag without quotes, made of time
  // and size; "" where there is no time either, and so nothing to tell versions apart by.
  std::string etag;
  int64_t last_modified_ms = 0;  // since 1970 UTC; 0: unknown
  bool operator==(const Version&) const = default;
};

// Which bytes of an object.
struct Range {
  enum class Kind { kSlice, kSuffix };
  Kind kind = Kind::kSlice;
  int64_t offset = 0;  // kSlice
  int64_t length = 0;  // bytes; of a suffix: at most that many from the end

  static Range Slice(int64_t offset, int64_t length) { return {Kind::kSlice, offset, length}; }
  static Range Prefix(int64_t length) { return {Kind::kSlice, 0, length}; }
  static Range Suffix(int64_t length) { return {Kind::kSuffix, 0, length}; }
};

// What requests cost, counted while they run. Thread-safe.
struct Costs {
  std::atomic<int64_t> requests{0};       // sent to S3, retries and hedges among them
  std::atomic<int64_t> list_requests{0};  // those of `requests` that were lists, which cost more
  std::atomic<int64_t> bytes{0};          // of bodies received
  std::atomic<int64_t> retries{0};
  std::atomic<int64_t> hedges{0};
};

// For whom a request is made, and until when.
struct Scope {
  using TimePoint = std::chrono::steady_clock::time_point;
  std::stop_token stop;                   // CANCELLED soon after it is asked to stop
  TimePoint deadline = TimePoint::max();  // DEADLINE_EXCEEDED when it passes
  std::shared_ptr<Costs> costs;           // may be null
};

struct GetRequest {
  std::shared_ptr<const Access> access;
  ObjectName object;
  std::string url;  // as the user wrote it: for messages
  Range range;
  std::string if_match;       // an ETag: kChanged where the object has another
  std::string if_none_match;  // an ETag: kNotModified where the object still has it
  // Called at most once, before `done` and from the store's thread, when an answer that is no
  // failure begins. May be empty. Decorators that send a request again may call it only for the
  // first.
  std::function<void()> on_first_byte;
};

struct GetResult {
  enum class Outcome {
    kBytes,        // `version`, `offset` and `bytes` are there
    kNotModified,  // if_none_match held; nothing else is set
    kChanged,      // if_match did not hold (412); nothing else is set
  };
  Outcome outcome = Outcome::kBytes;
  Version version;
  int64_t offset = 0;                    // of the first byte in the object
  std::shared_ptr<arrow::Buffer> bytes;  // exactly what was asked for, less what lies past the end
};

struct ListRequest {
  std::shared_ptr<const Access> access;
  std::string bucket;
  std::string prefix;        // of keys
  std::string delimiter;     // "" or "/": rolls up what lies deeper into `prefixes`
  std::string url;           // as the user wrote it: for messages
  std::string continuation;  // of the page before; empty: the first
};

struct ListPage {
  struct Entry {
    std::string key;
    Version version;
  };
  std::vector<Entry> entries;         // in the server's order
  std::vector<std::string> prefixes;  // with `delimiter`
  std::string continuation;           // empty: this was the last page
};

// Thread-safe. Errors of every call, as base::MakeError makes them, with the URL and what to do,
// and never a credential:
//   NOT_FOUND (404), PERMISSION_DENIED (401, 403, and 400 for an expired token or a wrong region),
//   INVALID_QUERY (other 4xx), STORAGE_UNAVAILABLE (5xx, 408, 429, a broken or stalled connection,
//   an answer that makes no sense), CANCELLED, DEADLINE_EXCEEDED.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  using GetDone = std::function<void(arrow::Result<GetResult>)>;
  // Starts a GET and returns. `done` is called exactly once, from a thread of the store's (or from
  // this one when it fails at once); it must not block for long. A range past the end of the object
  // (416, an empty object among them) is kBytes with no bytes and the version's size.
  virtual void StartGet(GetRequest request, Scope scope, GetDone done) = 0;

  // Size, ETag and time by a HEAD. Blocks.
  virtual arrow::Result<Version> Stat(const GetRequest& request, const Scope& scope) = 0;

  // One page of a list, at most 1,000 entries. Blocks.
  virtual arrow::Result<ListPage> List(const ListRequest& request, const Scope& scope) = 0;

  // StartGet, waited for.
  arrow::Result<GetResult> Get(GetRequest request, const Scope& scope);
};

}  // namespace eider::store
