// The server over a real socket, in front of a coordinator that does what the test says.
#include "rpc/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "base/error.h"
#include "rpc/http/base64.h"
#include "rpc/http/client.h"
#include "rpc/http/fake_service.h"
#include "rpc/http/raw_client.h"

namespace eider::rpc {
namespace {

using coordinator::ResultSink;
using protocol::Query;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kBody[] = R"({"query": "select 1"})";
const HttpClient::Headers kStream = {{"Accept", "application/vnd.apache.arrow.stream"}};
constexpr char kStreamHeader[] = "Accept: application/vnd.apache.arrow.stream\r\n";

using Sink = std::shared_ptr<ResultSink>;

std::unique_ptr<HttpServer> Serve(FakeService& service, HttpServer::Options options = {}) {
  options.port = 0;
  auto server = HttpServer::Start(service, std::move(options));
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

std::string Url(const HttpServer& server, const std::string& path) {
  return "http://127.0.0.1:" + std::to_string(server.port()) + path;
}

HttpClient::Response Ask(const HttpServer& server, const std::string& method,
                         const std::string& path, const std::string& body = "",
                         const HttpClient::Headers& headers = {}) {
  auto response = Fetch(method, Url(server, path), headers, body, 10'000);
  EXPECT_TRUE(response.ok()) << response.status();
  return response.ok() ? *response : HttpClient::Response{};
}

void RelayThree(const Query&, const Sink& sink) {
  EXPECT_TRUE(sink->Begin(FakeService::Claim()).ok());
  for (const char* piece : {"schema", "batch", "eos"}) {
    EXPECT_TRUE(sink->Write(BytesOf(piece)).ok());
  }
  sink->End();
}

TEST(HttpServerTest, TheJsonFormIsTheWholeResultInBase64) {
  FakeService service(RelayThree);
  const auto server = Serve(service);
  for (const char* path : {"/read", "/write"}) {
    const auto response = Ask(*server, "POST", path, kBody);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, R"({"result": ")" + Base64("schemabatcheos") + R"("})");
    EXPECT_EQ(response.Header("content-type"), "application/json");
    EXPECT_EQ(response.Header("x-eider-query-id"), "00000000000000aa");
    EXPECT_EQ(response.Header("x-eider-worker"), "w1");
    EXPECT_EQ(response.Header("x-eider-reason"), "home rank 0");
    EXPECT_EQ(response.Header("x-eider-queue-ms"), "7");
  }
}

protocol::Figures SomeFigures() {
  protocol::Figures figures;
  figures.rows = 3;
  figures.s3_requests = 5;
  figures.cache_hits = 7;
  figures.cost_nanousd = 2'000;
  return figures;
}

void RelayWithFigures(const Query& query, const Sink& sink) {
  EXPECT_TRUE(sink->Begin(FakeService::Claim()).ok());
  EXPECT_TRUE(sink->Write(BytesOf("all")).ok());
  if (sink->figures_wait_ms() > 0) sink->Report(SomeFigures());
  sink->End();
}

TEST(HttpServerTest, ABufferedAnswerSaysWhatItCost) {
  FakeService service(RelayWithFigures);
  const auto server = Serve(service);
  const auto response = Ask(*server, "POST", "/read", kBody);
  EXPECT_EQ(response.body, R"({"result": ")" + Base64("all") + R"("})");
  EXPECT_EQ(response.Header("x-eider-rows"), "3");
  EXPECT_EQ(response.Header("x-eider-s3-requests"), "5");
  EXPECT_EQ(response.Header("x-eider-cache-hits"), "7");
  EXPECT_EQ(response.Header("x-eider-cost-usd"), "0.000002000");
}

TEST(HttpServerTest, AnAnswerWithoutFiguresIsWholeAllTheSame) {
  FakeService service(RelayThree);
  const auto server = Serve(service);
  const auto response = Ask(*server, "POST", "/read", kBody);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.Header("x-eider-rows"), "");
}

TEST(HttpServerTest, AStreamSaysWhatItCostInTrailersWhereTheyAreRead) {
  FakeService service(RelayWithFigures);
  const auto server = Serve(service);
  const std::string wanting = std::string(kStreamHeader) + "TE: gzip, trailers\r\n";
  RawClient client(server->port());
  client.SendPost("/read", kBody, wanting);
  EXPECT_TRUE(client.ReadUntil("X-Eider-Cost-Usd: 0.000002000\r\n\r\n"));
  EXPECT_THAT(client.received(), HasSubstr("\r\nTrailer: X-Eider-Rows, "));
  EXPECT_THAT(client.received(), HasSubstr("3\r\nall\r\n0\r\nX-Eider-Rows: 3\r\n"));
  // The connection is in order: another stream, by one that does not ask for them.
  client.received().clear();
  client.SendPost("/read", kBody, kStreamHeader);
  EXPECT_TRUE(client.ReadUntil("0\r\n\r\n"));
  EXPECT_THAT(client.received(), EndsWith("3\r\nall\r\n0\r\n\r\n"));
  EXPECT_THAT(client.received(), Not(HasSubstr("Trailer:")));
}

TEST(HttpServerTest, TheStreamIsChunkedAndASmallOneIsOneChunk) {
  for (const bool inline_relay : {false, true}) {
    FakeService service(RelayThree, inline_relay);
    const auto server = Serve(service);
    RawClient client(server->port());
    client.SendPost("/read", kBody, kStreamHeader);
    EXPECT_TRUE(client.ReadUntil("0\r\n\r\n"));
    EXPECT_THAT(client.received(), StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(client.received(), HasSubstr("Transfer-Encoding: chunked\r\n"));
    EXPECT_THAT(client.received(), HasSubstr("X-Eider-Worker: w1\r\n"));
    if (!inline_relay) continue;  // a busy machine may cut it in two
    EXPECT_THAT(client.received(), EndsWith("\r\n\r\ne\r\nschemabatcheos\r\n0\r\n\r\n"));
  }
}

TEST(HttpServerTest, TheFirstPieceArrivesBeforeTheLastExists) {
  Event seen;
  FakeService service([&](const Query&, const Sink& sink) {
    EXPECT_TRUE(sink->Begin(FakeService::Claim()).ok());
    EXPECT_TRUE(sink->Write(BytesOf("first")).ok());
    EXPECT_EQ(seen.Wait(), "");
    EXPECT_TRUE(sink->Write(BytesOf("second")).ok());
    sink->End();
  });
  const auto server = Serve(service);
  std::string all;
  const auto response =
      Fetch("POST", Url(*server, "/read"), kStream, kBody, 10'000, [&](std::string_view piece) {
        all += piece;
        seen.Set();
        return arrow::Status::OK();
      });
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(all, "firstsecond");
  EXPECT_EQ(response->body, "");
}

TEST(HttpServerTest, ALargeStreamKeepsItsOrder) {
  constexpr int kPieces = 300;
  FakeService service([&](const Query&, const Sink& sink) {
    EXPECT_TRUE(sink->Begin(FakeService::Claim()).ok());
    for (int i = 0; i < kPieces; ++i) {
      const size_t size = i % 3 == 0 ? 200'000 : 100;
      EXPECT_TRUE(sink->Write(BytesOf(std::string(size, static_cast<char>('a' + i % 26)))).ok());
    }
    sink->End();
  });
  const auto server = Serve(service);
  std::string expected;
  for (int i = 0; i < kPieces; ++i) {
    expected.append(i % 3 == 0 ? 200'000 : 100, static_cast<char>('a' + i % 26));
  }
  const auto response = Ask(*server, "POST", "/read", kBody, kStream);
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.body == expected);
}

TEST(HttpServerTest, AnErrorBeforeTheFirstBytesIsAnAnswer) {
  for (const bool begun : {false, true}) {
    FakeService service([&](const Query&, const Sink& sink) {
      if (begun) {
        EXPECT_TRUE(sink->Begin(FakeService::Claim()).ok());
      }
      sink->Fail(base::MakeError({.code = base::ErrorCode::kOverloaded,
                                  .message = "full",
                                  .retryable = true,
                                  .retry_after_ms = 2'500}));
    });
    const auto server = Serve(service);
    for (const auto& headers : {kStream, HttpClient::Headers{}}) {
      const auto response = Ask(*server, "POST", "/read", kBody, headers);
      EXPECT_EQ(response.status, 503);
      EXPECT_EQ(response.Header("retry-after"), "3");
      EXPECT_EQ(response.Header("x-eider-query-id"), "00000000000000aa");
      EXPECT_EQ(response.Header("x-eider-worker"), begun ? "w1" : "");
      EXPECT_THAT(response.body, HasSubstr(R"("code":"OVERLOADED")"));
    }
  }
}

// Fails once the client has seen the first bytes.
FakeService::Relaying FailInMidStream(Event& seen) {
  return [&](const Query&, const Sink& sink) {
    EXPECT_TRUE(sink->Begin(FakeService::Claim()).ok());
    EXPECT_TRUE(sink->Write(BytesOf("batch")).ok());
    EXPECT_EQ(seen.Wait(), "");
    sink->Fail(base::MakeError(base::ErrorCode::kWorkerLost, "the worker died"));
  };
}

TEST(HttpServerTest, AFailureInMidStreamResetsTheConnection) {
  Event seen;
  FakeService service(FailInMidStream(seen));
  const auto server = Serve(service);
  RawClient client(server->port());
  client.SendPost("/read", kBody, kStreamHeader);
  EXPECT_TRUE(client.ReadUntil("batch\r\n"));
  seen.Set();
  EXPECT_FALSE(client.ReadToEnd());
  EXPECT_TRUE(client.reset());
  EXPECT_THAT(client.received(), Not(HasSubstr("0\r\n\r\n")));
}

TEST(HttpServerTest, AFailureInMidStreamIsAnErrorToTheClient) {
  Event seen;
  FakeService service(FailInMidStream(seen));
  const auto server = Serve(service);
  const auto response =
      Fetch("POST", Url(*server, "/read"), kStream, kBody, 10'000, [&](std::string_view) {
        seen.Set();
        return arrow::Status::OK();
      });
  ASSERT_FALSE(response.ok());
  EXPECT_TRUE(base::ErrorOf(response.status()).retryable);
}

TEST(HttpServerTest, HttpOneZeroGetsAnAnswerWithALengthInEitherForm) {
  FakeService service(RelayThree);
  const auto server = Serve(service);
  for (const char* header : {"", kStreamHeader}) {
    RawClient client(server->port());
    client.SendPost("/read", kBody, header, "1.0");
    EXPECT_TRUE(client.ReadToEnd());
    const std::string body =
        *header == '\0' ? R"({"result": ")" + Base64("schemabatcheos") + R"("})" : "schemabatcheos";
    EXPECT_THAT(client.received(), HasSubstr("Content-Length: " + std::to_string(body.size())));
    EXPECT_THAT(client.received(), EndsWith("\r\n\r\n" + body));
    EXPECT_THAT(client.received(), Not(HasSubstr("chunked")));
  }
}

// Begins, tells the test, then writes until it is told that nobody listens.
FakeService::Relaying WriteForever(Event& begun, Event& stopped) {
  return [&](const Query&, const Sink& sink) {
    EXPECT_TRUE(sink->Begin(FakeService::Claim()).ok());
    begun.Set();
    arrow::Status status;
    while (status.ok()) status = sink->Write(BytesOf(std::string(1 << 20, 'x')));
    stopped.Set(std::string(base::ErrorName(base::ErrorOf(status).code)));
    sink->Fail(status);
  };
}

TEST(HttpServerTest, AClientThatClosesOrHalfClosesCancelsItsQuery) {
  for (const bool half : {false, true}) {
    for (const char* header : {"", kStreamHeader}) {
      Event stop;
      FakeService service([&](const Query&, const Sink& sink) {
        stop.Wait();
        EXPECT_FALSE(sink->Begin(FakeService::Claim()).ok());
        EXPECT_FALSE(sink->Write(BytesOf("late")).ok());
        sink->End();
      });
      const auto server = Serve(service);
      RawClient client(server->port());
      client.SendPost("/read", kBody, header);
      half ? client.HalfClose() : client.Close();
      EXPECT_THAT(service.cancelled.Wait(), HasSubstr("closed"));
      stop.Set();
      service.Join();
    }
  }
}

TEST(HttpServerTest, AClientThatClosesInMidStreamFreesTheRelay) {
  Event begun;
  Event stopped;
  FakeService service(WriteForever(begun, stopped));
  const auto server = Serve(service);
  RawClient client(server->port());
  client.SendPost("/read", kBody, kStreamHeader);
  EXPECT_TRUE(client.ReadUntil("xxx"));
  client.Close();
  EXPECT_EQ(stopped.Wait(), "CANCELLED");
  EXPECT_NE(service.cancelled.Wait(), "never");
}

TEST(HttpServerTest, ASlowClientHoldsTheRelayAndIsDroppedWhenItStalls) {
  std::atomic<int> pieces = 0;
  Event stopped;
  FakeService service([&](const Query&, const Sink& sink) {
    EXPECT_TRUE(sink->Begin(FakeService::Claim()).ok());
    while (sink->Write(BytesOf(std::string(1 << 20, 'x'))).ok()) ++pieces;
    stopped.Set();
  });
  HttpServer::Options options;
  options.stall_timeout_ms = 500;
  const auto server = Serve(service, options);
  RawClient client(server->port(), /*receive_buffer=*/4'096);
  client.SendPost("/read", kBody, kStreamHeader);
  EXPECT_EQ(service.cancelled.Wait(), "the client stopped reading");
  EXPECT_EQ(stopped.Wait(), "");
  // What the kernel takes, two pieces on their way and two that wait.
  EXPECT_LE(pieces, 16);
  EXPECT_FALSE(client.ReadToEnd());
}

TEST(HttpServerTest, ABufferedResultPastItsLimitNamesTheStream) {
  Event begun;
  Event stopped;
  FakeService service(WriteForever(begun, stopped));
  HttpServer::Options options;
  options.max_json_result_bytes = 3 << 20;
  const auto server = Serve(service, options);
  const auto response = Ask(*server, "POST", "/read", kBody);
  EXPECT_EQ(response.status, 507);
  EXPECT_THAT(response.body, HasSubstr("RESOURCE_EXHAUSTED"));
  EXPECT_THAT(response.body, HasSubstr("Accept: application/vnd.apache.arrow.stream"));
  EXPECT_THAT(service.cancelled.Wait(), HasSubstr("too large"));
  EXPECT_NE(stopped.Wait(), "never");
}

TEST(HttpServerTest, PipelinedRequestsWaitForTheirTurn) {
  FakeService service(RelayThree);
  const auto server = Serve(service);
  RawClient client(server->port());
  const std::string body = kBody;
  const std::string query =
      "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
      "\r\n\r\n" + body;
  client.Send(query + "GET /v1/workers HTTP/1.1\r\n\r\n" + query +
              "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(client.ReadToEnd());
  const std::string& all = client.received();
  const size_t first = all.find("result");
  const size_t workers = all.find("workers\"");
  const size_t second = all.find("result", workers);
  EXPECT_LT(first, workers);
  EXPECT_LT(workers, second);
  EXPECT_LT(second, all.find(R"({"status":"ok"})"));
}

TEST(HttpServerTest, TheOtherCallsAnswer) {
  FakeService service;
  const auto server = Serve(service);
  EXPECT_EQ(Ask(*server, "GET", "/v1/workers").body, R"({"workers":[]})");
  EXPECT_EQ(Ask(*server, "GET", "/v1/queries").body, R"({"queries":[]})");
  EXPECT_EQ(Ask(*server, "GET", "/v1/queries/aa?wait_ms=100").body, R"({"id":"aa","wait":100})");
  EXPECT_EQ(Ask(*server, "GET", "/v1/queries/bb").status, 404);
  EXPECT_EQ(Ask(*server, "DELETE", "/v1/queries/aa").status, 200);
  EXPECT_EQ(Ask(*server, "DELETE", "/v1/queries/bb").status, 404);
  EXPECT_EQ(Ask(*server, "POST", "/v1/explain", R"({"query": "s", "write": true})").body,
            R"({"client":"127.0.0.1","write":true})");
  EXPECT_EQ(Ask(*server, "POST", "/v1/explain", R"({"query": "bad"})").status, 400);
  EXPECT_EQ(Ask(*server, "POST", "/v1/explain", R"({"query": "s", "where": 1})").status, 400);
  EXPECT_EQ(Ask(*server, "POST", "/clear_cache", "{}").body, R"({"cleared":2})");
  EXPECT_EQ(
      Ask(*server, "POST", "/clear_cache", R"({"worker_location": "grpc://nobody:1"})").status,
      404);
  EXPECT_EQ(Ask(*server, "POST", "/v1/announce", "sealed").status, 200);
  EXPECT_EQ(Ask(*server, "POST", "/v1/announce", "forged").status, 403);
  EXPECT_EQ(Ask(*server, "GET", "/healthz").status, 200);
  EXPECT_EQ(Ask(*server, "GET", "/readyz").status, 200);
  service.ready = false;
  EXPECT_EQ(Ask(*server, "GET", "/readyz").status, 503);
  const auto head = Ask(*server, "HEAD", "/metrics");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.Header("content-length"), "19");
  EXPECT_EQ(head.body, "");
  const auto metrics = Ask(*server, "GET", "/metrics");
  EXPECT_EQ(metrics.body, "eider_workers_up 0\n");
  EXPECT_THAT(std::string(metrics.Header("content-type")), StartsWith("text/plain"));
}

TEST(HttpServerTest, AnUnknownPathOrMethodIsAJsonError) {
  FakeService service;
  const auto server = Serve(service);
  EXPECT_EQ(Ask(*server, "HEAD", "/nothing").status, 404);
  EXPECT_THAT(Ask(*server, "GET", "/nothing").body, HasSubstr("NOT_FOUND"));
  const auto response = Ask(*server, "GET", "/read");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.Header("allow"), "POST");
  EXPECT_THAT(response.body, HasSubstr("INVALID_QUERY"));
}

TEST(HttpServerTest, AWaitingCallHoldsUpNoOther) {
  FakeService service;
  const auto server = Serve(service);
  RawClient waiting(server->port());
  waiting.Send("GET /v1/queries/slow?wait_ms=100 HTTP/1.1\r\n\r\n");
  EXPECT_EQ(service.query_asked.Wait(), "");
  EXPECT_EQ(Ask(*server, "GET", "/healthz").status, 200);
  EXPECT_EQ(Ask(*server, "GET", "/v1/workers").status, 200);
  service.release_query.Set();
  EXPECT_TRUE(waiting.ReadUntil("\"id\":\"aa\""));
}

TEST(HttpServerTest, StopBreaksWhatRunsAndReturns) {
  Event begun;
  Event stopped;
  FakeService service(WriteForever(begun, stopped));
  const auto server = Serve(service);
  RawClient idle(server->port());
  RawClient client(server->port());
  client.SendPost("/read", kBody, kStreamHeader);
  EXPECT_TRUE(client.ReadUntil("xxx"));
  server->Stop();
  EXPECT_EQ(stopped.Wait(), "CANCELLED");
  EXPECT_EQ(service.cancelled.Wait(), "the server stops");
  EXPECT_FALSE(client.ReadToEnd());
  EXPECT_FALSE(RawClient(server->port()).connected());
  server->Stop();
}

TEST(HttpServerTest, APortInUseIsNamed) {
  FakeService service;
  const auto server = Serve(service);
  HttpServer::Options options;
  options.port = server->port();
  const auto second = HttpServer::Start(service, options);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(), HasSubstr("127.0.0.1"));
  EXPECT_THAT(second.status().message(), HasSubstr(std::to_string(server->port())));
}

TEST(HttpServerTest, EachAnswerIsCounted) {
  Event counted;
  FakeService service(RelayThree);
  HttpServer::Options options;
  options.on_answer = [&](std::string_view call, int status, int64_t took_us) {
    counted.Set(std::string(call) + " " + std::to_string(status) + (took_us < 0 ? " early" : ""));
  };
  const auto server = Serve(service, std::move(options));
  EXPECT_EQ(Ask(*server, "POST", "/write", kBody).status, 200);
  EXPECT_EQ(counted.Wait(), "write 200");
}

}  // namespace
}  // namespace eider::rpc
