// S3Store against a server that misbehaves as told.
#include "store/s3_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <thread>

#include "base/error.h"
#include "store/scripted_server.h"

namespace eider::store {
namespace {

using base::ErrorCode;
using base::ErrorOf;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using Request = ScriptedServer::Request;
using testing::HasSubstr;
using testing::Not;

constexpr char kObject[] = "0123456789abcdefghij";
constexpr char kTag[] = "\"v1\"";

// Short enough for tests, long enough for a busy machine where it must not fire.
TransferOptions QuickOptions() {
  return {.connect_timeout_ms = 5000,
          .first_byte_timeout_ms = 20'000,
          .list_first_byte_timeout_ms = 20'000,
          .stall_ms = 20'000};
}

std::shared_ptr<Access> AccessTo(const std::string& endpoint) {
  auto access = std::make_shared<Access>();
  access->endpoint = endpoint;
  access->region = "us-east-1";
  access->path_style = true;
  access->use_ssl = false;
  return access;
}

GetRequest GetOf(const std::string& endpoint, Range range) {
  return {.access = AccessTo(endpoint), .object = {"b", "k"}, .url = "s3://b/k", .range = range};
}

// One GET of `range` that `answer` is the answer to, after which the connection is closed.
arrow::Result<GetResult> AnsweredBy(const std::string& answer, Range range,
                                    const std::string& if_match = "",
                                    const std::string& if_none_match = "") {
  const ScriptedServer server([&answer](const Request&, Peer& peer) {
    peer.Send(answer);
    peer.Close();
  });
  S3Store store(QuickOptions());
  GetRequest request = GetOf(server.endpoint(), range);
  request.if_match = if_match;
  request.if_none_match = if_none_match;
  return store.Get(request, {});
}

ErrorCode CodeOf(const arrow::Result<GetResult>& result) {
  EXPECT_FALSE(result.ok());
  return result.ok() ? ErrorCode::kInternal : ErrorOf(result.status()).code;
}

constexpr char kPart[] = "206 Partial Content";

TEST(S3Store, GivesSlicesAndSuffixes) {
  const ScriptedServer server(
      [](const Request& request, Peer& peer) { peer.Send(ServeObject(request, kObject, kTag)); });
  S3Store store(QuickOptions());
  const auto costs = std::make_shared<Costs>();
  const auto slice = store.Get(GetOf(server.endpoint(), Range::Slice(3, 4)), {.costs = costs});
  ASSERT_TRUE(slice.ok()) << slice.status();
  EXPECT_EQ(slice->bytes->ToString(), "3456");
  EXPECT_EQ(slice->offset, 3);
  EXPECT_EQ(slice->version.size, 20);
  EXPECT_EQ(slice->version.etag, kTag);
  const auto suffix = store.Get(GetOf(server.endpoint(), Range::Suffix(5)), {.costs = costs});
  ASSERT_TRUE(suffix.ok()) << suffix.status();
  EXPECT_EQ(suffix->bytes->ToString(), "fghij");
  EXPECT_EQ(suffix->offset, 15);
  const auto all = store.Get(GetOf(server.endpoint(), Range::Suffix(100)), {.costs = costs});
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->bytes->ToString(), kObject);
  const auto over = store.Get(GetOf(server.endpoint(), Range::Slice(15, 100)), {.costs = costs});
  ASSERT_TRUE(over.ok()) << over.status();
  EXPECT_EQ(over->bytes->ToString(), "fghij");
  EXPECT_EQ(costs->requests, 4);
  EXPECT_EQ(costs->bytes, 4 + 5 + 20 + 5);
  EXPECT_EQ(server.connections(), 1) << "the connection is kept";
}

TEST(S3Store, SendsConditionsVerbatimAndSigns) {
  const ScriptedServer server(
      [](const Request& request, Peer& peer) { peer.Send(ServeObject(request, kObject, kTag)); });
  S3Store store(QuickOptions());
  GetRequest request = GetOf(server.endpoint(), Range::Suffix(5));
  auto access = std::make_shared<Access>(*request.access);
  access->key_id = "KEYID";
  access->secret_key = "SECRET";
  access->session_token = "TOKEN";
  request.access = access;
  request.object.key = "a b/c+d=%/\xC3\xA4";
  request.if_match = kTag;
  ASSERT_TRUE(store.Get(request, {}).ok());
  request.if_match.clear();
  request.if_none_match = "\"other\"";
  ASSERT_TRUE(store.Get(request, {}).ok());
  const auto requests = server.requests();
  EXPECT_EQ(requests[0].target, "/b/a%20b/c%2Bd%3D%25/%C3%A4");
  EXPECT_EQ(requests[0].Header("Range"), "bytes=-5");
  EXPECT_EQ(requests[0].Header("If-Match"), kTag);
  EXPECT_EQ(requests[0].Header("x-amz-security-token"), "TOKEN");
  EXPECT_THAT(requests[0].Header("Authorization"), HasSubstr("AWS4-HMAC-SHA256 Credential=KEYID/"));
  EXPECT_THAT(requests[0].Header("Authorization"), HasSubstr("x-amz-security-token"));
  EXPECT_EQ(requests[1].Header("If-None-Match"), "\"other\"");
  EXPECT_EQ(requests[1].Header("If-Match"), "");
}

TEST(S3Store, AnonymousRequestsCarryNoSignature) {
  const ScriptedServer server(
      [](const Request& request, Peer& peer) { peer.Send(ServeObject(request, kObject, kTag)); });
  S3Store store(QuickOptions());
  ASSERT_TRUE(store.Get(GetOf(server.endpoint(), Range::Suffix(5)), {}).ok());
  EXPECT_EQ(server.requests()[0].Header("Authorization"), "");
  EXPECT_EQ(server.requests()[0].Header("x-amz-content-sha256"), "");
}

TEST(S3Store, TruncatedBodyIsUnavailable) {
  const auto cut = AnsweredBy(
      "HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\nContent-Range: bytes 0-9/20\r\n"
      "Content-Length: 10\r\n\r\n01234",
      Range::Prefix(10));
  EXPECT_EQ(CodeOf(cut), ErrorCode::kStorageUnavailable) << cut.status();
  EXPECT_TRUE(ErrorOf(cut.status()).retryable);
  // Without a Content-Length the connection's end is the body's.
  const auto closed = AnsweredBy(
      "HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\nContent-Range: bytes 0-9/20\r\n\r\n01234",
      Range::Prefix(10));
  EXPECT_EQ(CodeOf(closed), ErrorCode::kStorageUnavailable);
  EXPECT_THAT(closed.status().message(), HasSubstr("ended after 5 of the 10 bytes"));
}

TEST(S3Store, OverlongBodyIsUnavailable) {
  const auto closed = AnsweredBy(
      "HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\nContent-Range: bytes "
      "0-3/20\r\n\r\n0123456789",
      Range::Prefix(4));
  EXPECT_EQ(CodeOf(closed), ErrorCode::kStorageUnavailable);
  EXPECT_THAT(closed.status().message(), HasSubstr("longer than the 4 bytes"));
  const auto chunked = AnsweredBy(
      "HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\nContent-Range: bytes 0-3/20\r\n"
      "Transfer-Encoding: chunked\r\n\r\n3\r\n012\r\n3\r\n345\r\n0\r\n\r\n",
      Range::Prefix(4));
  EXPECT_EQ(CodeOf(chunked), ErrorCode::kStorageUnavailable) << chunked.status();
}

TEST(S3Store, ContentRangeThatDoesNotFitIsUnavailable) {
  for (const char* range : {"bytes 1-4/20", "bytes 0-2/20", "bytes 0-4/20", "bytes 0-3/2",
                            "bytes 0-3/*", "bytes 3-0/20", "lines 0-3/20", "bytes */20",
                            "bytes 0-3", "", "bytes 0-99999999999999999999/20"}) {
    const auto got =
        AnsweredBy(Answer(kPart, {std::string("Content-Range: ") + range, "ETag: \"v1\""}, "0123"),
                   Range::Prefix(4));
    EXPECT_EQ(CodeOf(got), ErrorCode::kStorageUnavailable) << range;
  }
  const auto length =
      AnsweredBy(Answer(kPart, {"Content-Range: bytes 0-3/20"}, "01234"), Range::Prefix(4));
  EXPECT_EQ(CodeOf(length), ErrorCode::kStorageUnavailable);
  const auto suffix =
      AnsweredBy(Answer(kPart, {"Content-Range: bytes 0-3/20"}, "0123"), Range::Suffix(4));
  EXPECT_EQ(CodeOf(suffix), ErrorCode::kStorageUnavailable);
}

TEST(S3Store, WholeObjectWherePartWasAskedIsCut) {
  const auto slice = AnsweredBy(Answer("200 OK", {"ETag: \"v1\""}, kObject), Range::Slice(3, 4));
  ASSERT_TRUE(slice.ok()) << slice.status();
  EXPECT_EQ(slice->bytes->ToString(), "3456");
  EXPECT_EQ(slice->version.size, 20);
  const auto suffix = AnsweredBy(Answer("200 OK", {"ETag: \"v1\""}, kObject), Range::Suffix(4));
  ASSERT_TRUE(suffix.ok()) << suffix.status();
  EXPECT_EQ(suffix->bytes->ToString(), "ghij");
  EXPECT_EQ(suffix->offset, 16);
  const auto past = AnsweredBy(Answer("200 OK", {"ETag: \"v1\""}, kObject), Range::Slice(50, 4));
  ASSERT_TRUE(past.ok()) << past.status();
  EXPECT_EQ(past->bytes->size(), 0);
  const auto huge =
      AnsweredBy("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n0123", Range::Prefix(4));
  EXPECT_EQ(CodeOf(huge), ErrorCode::kStorageUnavailable);
  EXPECT_THAT(huge.status().message(), HasSubstr("serves no ranges"));
  const auto endless = AnsweredBy("HTTP/1.1 200 OK\r\n\r\n0123", Range::Prefix(4));
  EXPECT_EQ(CodeOf(endless), ErrorCode::kStorageUnavailable);
}

TEST(S3Store, ConditionsThatHoldOrNot) {
  const auto changed =
      AnsweredBy(Answer("412 Precondition Failed", {}, ""), Range::Prefix(4), kTag);
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_EQ(changed->outcome, GetResult::Outcome::kChanged);
  const auto same =
      AnsweredBy("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n", Range::Prefix(4), "", kTag);
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(same->outcome, GetResult::Outcome::kNotModified);
  const auto unasked = AnsweredBy("HTTP/1.1 304 Not Modified\r\n\r\n", Range::Prefix(4));
  EXPECT_EQ(CodeOf(unasked), ErrorCode::kStorageUnavailable);
}

TEST(S3Store, AnotherETagIsAChangeThoughTheConditionWasIgnored) {
  const std::vector<std::string> newer = {"Content-Range: bytes 0-3/20", "ETag: \"v2\""};
  const auto changed = AnsweredBy(Answer(kPart, newer, "0123"), Range::Prefix(4), kTag);
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_EQ(changed->outcome, GetResult::Outcome::kChanged);
  const auto none =
      AnsweredBy(Answer(kPart, {"Content-Range: bytes 0-3/20"}, "0123"), Range::Prefix(4), kTag);
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(none->outcome, GetResult::Outcome::kChanged);
}

TEST(S3Store, PastTheEndIsNoBytes) {
  const auto ranged = AnsweredBy(
      Answer("416 Range Not Satisfiable", {"Content-Range: bytes */20"}, ""), Range::Slice(20, 4));
  ASSERT_TRUE(ranged.ok()) << ranged.status();
  EXPECT_EQ(ranged->version.size, 20);
  EXPECT_EQ(ranged->bytes->size(), 0);
  const auto document = AnsweredBy(
      Answer("416 Range Not Satisfiable", {},
             "<Error><Code>InvalidRange</Code><ActualObjectSize>20</ActualObjectSize></Error>"),
      Range::Slice(20, 4));
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_EQ(document->version.size, 20);
  const auto empty = AnsweredBy(Answer("416 Range Not Satisfiable", {}, ""), Range::Suffix(100));
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_EQ(empty->version.size, 0);
  const auto untrue = AnsweredBy(
      Answer("416 Range Not Satisfiable", {"Content-Range: bytes */20"}, ""), Range::Slice(3, 4));
  EXPECT_EQ(CodeOf(untrue), ErrorCode::kStorageUnavailable);
}

TEST(S3Store, StatusesInWords) {
  struct Case {
    std::string answer;
    ErrorCode code;
    std::string says;
  };
  const auto error = [](const std::string& code, const std::string& more = "") {
    return "<?xml version=\"1.0\"?><Error><Code>" + code + "</Code>" + more + "</Error>";
  };
  const std::vector<Case> cases = {
      {Answer("404 Not Found", {}, error("NoSuchKey")), ErrorCode::kNotFound, "NoSuchKey"},
      {Answer("403 Forbidden", {}, error("AccessDenied")), ErrorCode::kPermissionDenied,
       "anonymous: set AWS_ACCESS_KEY_ID"},
      {Answer("401 Unauthorized", {}, ""), ErrorCode::kPermissionDenied, "401"},
      {Answer("400 Bad Request", {}, error("ExpiredToken")), ErrorCode::kPermissionDenied,
       "renew the credentials"},
      {Answer("400 Bad Request", {},
              error("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>")),
       ErrorCode::kPermissionDenied, "AWS_REGION=eu-west-1"},
      {Answer("301 Moved Permanently", {"x-amz-bucket-region: eu-west-1"}, ""),
       ErrorCode::kPermissionDenied, "AWS_REGION=eu-west-1"},
      {Answer("307 Temporary Redirect", {"Location: http://127.0.0.1:1/b/k"}, ""),
       ErrorCode::kPermissionDenied, "AWS_ENDPOINT_URL"},
      {Answer("400 Bad Request", {}, error("InvalidArgument")), ErrorCode::kInvalidQuery, "400"},
      {Answer("405 Method Not Allowed", {}, ""), ErrorCode::kInvalidQuery, "405"},
      {Answer("400 Bad Request", {}, error("RequestTimeout")), ErrorCode::kStorageUnavailable, ""},
      {Answer("503 Slow Down", {"Retry-After: 7"}, error("SlowDown")),
       ErrorCode::kStorageUnavailable, "SlowDown"},
      {Answer("429 Too Many Requests", {}, ""), ErrorCode::kStorageUnavailable, "429"},
      {Answer("408 Request Timeout", {}, ""), ErrorCode::kStorageUnavailable, "408"},
      {Answer("500 Internal Server Error", {}, "not XML"), ErrorCode::kStorageUnavailable, "500"},
      {"no HTTP at all\r\n\r\n", ErrorCode::kStorageUnavailable, "s3://b/k"},
      {"", ErrorCode::kStorageUnavailable, "s3://b/k"},
  };
  for (const Case& one : cases) {
    const auto got = AnsweredBy(one.answer, Range::Prefix(4));
    EXPECT_EQ(CodeOf(got), one.code) << one.answer << got.status();
    EXPECT_THAT(got.status().message(), HasSubstr(one.says));
    EXPECT_THAT(got.status().message(), HasSubstr("s3://b/k"));
  }
  EXPECT_EQ(
      ErrorOf(
          AnsweredBy(Answer("503 Slow Down", {"Retry-After: 7"}, ""), Range::Prefix(4)).status())
          .retry_after_ms,
      7000);
}

TEST(S3Store, MessagesHoldNoCredential) {
  const ScriptedServer server([](const Request&, Peer& peer) {
    peer.Send(Answer("403 Forbidden", {},
                     "<Error><Code>SignatureDoesNotMatch</Code><Message>for KEYID with "
                     "s3cr3t and t0k3n</Message></Error>"));
  });
  S3Store store(QuickOptions());
  auto access = AccessTo(server.endpoint());
  access->key_id = "KEYID";
  access->secret_key = "s3cr3t";
  access->session_token = "t0k3n";
  GetRequest request = GetOf(server.endpoint(), Range::Prefix(4));
  request.access = access;
  const std::string message = store.Get(request, {}).status().message();
  EXPECT_THAT(message, HasSubstr("SignatureDoesNotMatch"));
  for (const char* secret : {"KEYID", "s3cr3t", "t0k3n"}) {
    EXPECT_THAT(message, Not(HasSubstr(secret)));
  }
}

TEST(S3Store, ResetIsUnavailable) {
  const ScriptedServer server([](const Request& request, Peer& peer) {
    if (request.number == 1) peer.Send("HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\n");
    peer.Reset();
  });
  S3Store store(QuickOptions());
  for (int stage = 0; stage < 2; ++stage) {
    const auto got = store.Get(GetOf(server.endpoint(), Range::Prefix(4)), {});
    EXPECT_EQ(CodeOf(got), ErrorCode::kStorageUnavailable) << got.status();
  }
  EXPECT_EQ(CodeOf(store.Get(GetOf("127.0.0.1:1", Range::Prefix(4)), {})),
            ErrorCode::kStorageUnavailable);
}

TEST(S3Store, SilenceAndStallsAndDripsTimeOut) {
  const std::string head =
      "HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\n"
      "Content-Range: bytes 0-19/20\r\nContent-Length: 20\r\n\r\n";
  std::atomic<bool> seen_close = false;
  const ScriptedServer server([&](const Request& request, Peer& peer) {
    if (request.number == 1) peer.Send(head + "01");
    if (request.number == 2) peer.Send(head.substr(0, 20));
    seen_close = peer.WaitForClose();
    peer.Close();
  });
  TransferOptions options = QuickOptions();
  options.first_byte_timeout_ms = 200;
  options.stall_ms = 200;
  S3Store store(options);
  for (int i = 0; i < 3; ++i) {
    const auto got = store.Get(GetOf(server.endpoint(), Range::Prefix(20)), {});
    EXPECT_EQ(CodeOf(got), ErrorCode::kStorageUnavailable) << got.status();
    EXPECT_TRUE(ErrorOf(got.status()).retryable);
    EXPECT_THAT(got.status().message(), HasSubstr(i == 1 ? "stalled" : "did not answer in time"));
  }
}

TEST(S3Store, ABodyThatGoesOnOutlastsTheStallTimeout) {
  // Slow, but not as slow as a stall: each piece is above the least of its window.
  constexpr int kPieces = 8;
  const std::string piece(4096, 'x');
  const ScriptedServer server([&](const Request&, Peer& peer) {
    const std::string size = std::to_string(kPieces * piece.size());
    peer.Send("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: " + size + "\r\n\r\n");
    for (int i = 0; i < kPieces; ++i) {
      peer.Send(piece);
      std::this_thread::sleep_for(milliseconds(50));  // the slow network itself
    }
  });
  TransferOptions options = QuickOptions();
  options.stall_ms = 200;
  options.min_bytes_per_second = 1000;
  S3Store store(options);
  const auto got = store.Get(GetOf(server.endpoint(), Range::Suffix(1 << 20)), {});
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->bytes->size(), kPieces * 4096);
}

// A server that never answers.
void SayNothing(const Request&, Peer& peer) {
  peer.WaitForClose();
  peer.Close();
}

TEST(S3Store, StopEndsARequestAtOnce) {
  const ScriptedServer server(SayNothing);
  S3Store store(QuickOptions());
  std::stop_source stop;
  std::promise<arrow::Result<GetResult>> ended;
  store.StartGet(GetOf(server.endpoint(), Range::Prefix(4)), {.stop = stop.get_token()},
                 [&ended](arrow::Result<GetResult> result) { ended.set_value(std::move(result)); });
  ASSERT_TRUE(server.WaitForRequests(1));
  const auto begun = Clock::now();
  stop.request_stop();
  const auto result = ended.get_future().get();
  EXPECT_EQ(CodeOf(result), ErrorCode::kCancelled);
  EXPECT_LT(Clock::now() - begun, milliseconds(1000));  // some 50 ms on a machine that is not busy
  // A stop before the start.
  EXPECT_EQ(
      CodeOf(store.Get(GetOf(server.endpoint(), Range::Prefix(4)), {.stop = stop.get_token()})),
      ErrorCode::kCancelled);
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(S3Store, DeadlineEndsARequest) {
  const ScriptedServer server(SayNothing);
  S3Store store(QuickOptions());
  const auto begun = Clock::now();
  const auto result = store.Get(GetOf(server.endpoint(), Range::Prefix(4)),
                                {.deadline = begun + milliseconds(100)});
  EXPECT_EQ(CodeOf(result), ErrorCode::kDeadlineExceeded);
  EXPECT_GE(Clock::now() - begun, milliseconds(100));
  EXPECT_LT(Clock::now() - begun, milliseconds(5000));
}

TEST(S3Store, ItsEndCancelsWhatIsUnderWay) {
  const ScriptedServer server(SayNothing);
  std::promise<arrow::Result<GetResult>> ended;
  {
    S3Store store(QuickOptions());
    store.StartGet(GetOf(server.endpoint(), Range::Prefix(4)), {},
                   [&ended](arrow::Result<GetResult> r) { ended.set_value(std::move(r)); });
    ASSERT_TRUE(server.WaitForRequests(1));
  }
  EXPECT_EQ(CodeOf(ended.get_future().get()), ErrorCode::kCancelled);
}

TEST(S3Store, ConnectionsAreBoundedAndWaitingRequestsCanBeStopped) {
  std::latch both(2);
  std::promise<void> go;
  const std::shared_future<void> gone = go.get_future().share();
  const ScriptedServer server([&](const Request& request, Peer& peer) {
    if (request.number < 2) {
      both.count_down();
      gone.wait();
    }
    peer.Send(ServeObject(request, kObject, kTag));
  });
  TransferOptions options = QuickOptions();
  options.max_host_connections = 2;
  S3Store store(options);
  constexpr int kRequests = 10;
  std::stop_source stop;
  std::latch done(kRequests);
  std::atomic<int> good = 0;
  const auto count = [&](const arrow::Result<GetResult>& result) {
    if (result.ok()) ++good;
    done.count_down();
  };
  for (int i = 0; i < kRequests; ++i) {
    store.StartGet(GetOf(server.endpoint(), Range::Prefix(4)), {}, count);
  }
  both.wait();
  const auto waiting = store.Get(GetOf(server.endpoint(), Range::Prefix(4)),
                                 {.deadline = Clock::now() + milliseconds(20)});
  EXPECT_EQ(CodeOf(waiting), ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(server.requests().size(), 2U);
  go.set_value();
  done.wait();
  EXPECT_EQ(good, kRequests);
  EXPECT_EQ(server.connections(), 2);
}

TEST(S3Store, PlainHttpFilesMayHaveNoETag) {
  std::atomic<int> day = 21;
  const ScriptedServer server([&day](const Request&, Peer& peer) {
    peer.Send(Answer(kPart,
                     {"Content-Range: bytes 0-3/20",
                      "Last-Modified: Wed, " + std::to_string(day) + " Oct 2025 07:28:00 GMT"},
                     "0123"));
  });
  S3Store store(QuickOptions());
  auto access = AccessTo(server.endpoint());
  access->plain_http = true;
  access->key_id = "KEYID";
  access->secret_key = "SECRET";
  GetRequest request{.access = access,
                     .object = {"", "/a%20b?x=1&y=%2F"},
                     .url = "http://u:p@host/a%20b?x=1",
                     .range = Range::Prefix(4)};
  const auto first = store.Get(request, {});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->version.last_modified_ms, 1761031680000);
  EXPECT_FALSE(first->version.etag.empty());
  request.if_match = first->version.etag;
  EXPECT_EQ(store.Get(request, {})->outcome, GetResult::Outcome::kBytes);
  day = 22;
  EXPECT_EQ(store.Get(request, {})->outcome, GetResult::Outcome::kChanged);
  for (const auto& sent : server.requests()) {
    EXPECT_EQ(sent.target, "/a%20b?x=1&y=%2F");
    EXPECT_EQ(sent.Header("If-Match"), "");
    EXPECT_EQ(sent.Header("Authorization"), "");
  }
}

TEST(S3Store, TheProxyOfTheEnvironmentCountsForNothing) {
  const ScriptedServer server(
      [](const Request& request, Peer& peer) { peer.Send(ServeObject(request, kObject, kTag)); });
  const ScriptedServer proxy([](const Request& request, Peer& peer) {
    peer.Send(ServeObject(request, "of the proxy", kTag));
  });
  setenv("http_proxy", ("http://" + proxy.endpoint()).c_str(), 1);
  S3Store store(QuickOptions());
  GetRequest request = GetOf(server.endpoint(), Range::Suffix(100));
  const auto direct = store.Get(request, {});
  setenv("no_proxy", "*", 1);
  auto access = std::make_shared<Access>(*request.access);
  access->proxy = "http://" + proxy.endpoint();
  access->proxy_user_password = "user:password";
  request.access = access;
  const auto proxied = store.Get(request, {});
  unsetenv("http_proxy");
  unsetenv("no_proxy");
  ASSERT_TRUE(direct.ok()) << direct.status();
  EXPECT_EQ(direct->bytes->ToString(), kObject);
  ASSERT_TRUE(proxied.ok()) << proxied.status();
  EXPECT_EQ(proxied->bytes->ToString(), "of the proxy");
  EXPECT_THAT(proxy.requests()[0].Header("Proxy-Authorization"), HasSubstr("Basic "));
}

TEST(S3Store, StatAndList) {
  const ScriptedServer server([](const Request& request, Peer& peer) {
    if (request.method == "HEAD") {
      peer.Send("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 20\r\n\r\n");
    } else {
      peer.Send(Answer("200 OK", {},
                       "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>k</Key>"
                       "<ETag>&quot;v1&quot;</ETag><Size>20</Size></Contents></ListBucketResult>"));
    }
  });
  S3Store store(QuickOptions());
  const auto costs = std::make_shared<Costs>();
  const auto version = store.Stat(GetOf(server.endpoint(), {}), {.costs = costs});
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(version->size, 20);
  const auto page = store.List({.access = AccessTo(server.endpoint()),
                                .bucket = "b",
                                .prefix = "a b/",
                                .delimiter = "/",
                                .url = "s3://b/a b/*",
                                .continuation = "x+y="},
                               {.costs = costs});
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->entries.size(), 1U);
  EXPECT_EQ(page->entries[0].version.etag, kTag);
  EXPECT_EQ(costs->requests, 2);
  EXPECT_EQ(costs->list_requests, 1);
  EXPECT_EQ(server.requests()[1].target,
            "/b/?continuation-token=x%2By%3D&delimiter=%2F&encoding-type=url&list-type=2"
            "&max-keys=1000&prefix=a%20b%2F");
}

TEST(S3Store, ListsThatAreNoneAreUnavailable) {
  for (const char* body : {"", "<html/>", "<ListBucketResult><IsTruncated>true</IsTruncated>",
                           "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
                           "<Error><Code>InternalError</Code></Error>"}) {
    const ScriptedServer server(
        [body](const Request&, Peer& peer) { peer.Send(Answer("200 OK", {}, body)); });
    S3Store store(QuickOptions());
    const auto page =
        store.List({.access = AccessTo(server.endpoint()), .bucket = "b", .url = "s3://b/*"}, {});
    ASSERT_FALSE(page.ok()) << body;
    EXPECT_EQ(ErrorOf(page.status()).code, ErrorCode::kStorageUnavailable) << page.status();
  }
}

// On a machine without a processor to spare a hedge's timer fires while the answer lies unread.
TEST(S3Store, WhatHasArrivedIsReadBeforeWhatIsNewIsSent) {
  std::latch may_answer(1);
  std::latch answered(1);
  const ScriptedServer server([&](const Request& request, Peer& peer) {
    const bool first = request.number == 0;
    if (first) may_answer.wait();
    peer.Send(ServeObject(request, kObject, kTag));
    if (first) answered.count_down();
  });
  S3Store store(QuickOptions());
  std::stop_source stop;  // of the twin
  GetRequest awaited = GetOf(server.endpoint(), Range::Slice(0, 4));
  awaited.on_first_byte = [&] { stop.request_stop(); };
  std::promise<arrow::Result<GetResult>> first;
  store.StartGet(std::move(awaited), {}, [&](auto result) { first.set_value(std::move(result)); });
  ASSERT_TRUE(server.WaitForRequests(1));
  // Another one's end keeps the loop's thread until both the answer and the twin wait for it.
  std::latch busy(1);
  std::latch go_on(1);
  store.StartGet(GetOf(server.endpoint(), Range::Slice(4, 4)), {}, [&](const auto&) {
    busy.count_down();
    go_on.wait();
  });
  busy.wait();
  may_answer.count_down();
  answered.wait();
  const auto costs = std::make_shared<Costs>();
  std::promise<arrow::Result<GetResult>> twin;
  store.StartGet(GetOf(server.endpoint(), Range::Slice(0, 4)),
                 {.stop = stop.get_token(), .costs = costs},
                 [&](auto result) { twin.set_value(std::move(result)); });
  go_on.count_down();
  EXPECT_EQ(first.get_future().get()->bytes->ToString(), "0123");
  EXPECT_EQ(CodeOf(twin.get_future().get()), ErrorCode::kCancelled);
  EXPECT_EQ(costs->requests, 0) << "it was sent";
  EXPECT_EQ(server.requests().size(), 2U);
}

}  // namespace
}  // namespace eider::store
