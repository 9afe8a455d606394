#include "rpc/flight/coordinator_server.h"

#include <arrow/flight/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"

namespace eider::rpc::flight {
namespace {

namespace fl = arrow::flight;
using base::ErrorCode;
using base::MakeError;
using testing::HasSubstr;

// Claims at once, or only for WaitForClaim when `waits` is set.
class FakeCoordinator final : public coordinator::Service {
 public:
  std::shared_ptr<coordinator::Submitted> Relay(protocol::Query,
                                                std::shared_ptr<coordinator::ResultSink>) override {
    return nullptr;
  }
  arrow::Result<std::optional<coordinator::ClaimInfo>> Hand(protocol::Query query, int64_t,
                                                            std::string* query_id) override {
    seen = std::move(query);
    *query_id = "q1";
    if (seen.sql == "refused") return MakeError(ErrorCode::kOverloaded, "full");
    if (waits) return std::nullopt;
    return Claim();
  }
  arrow::Result<std::optional<coordinator::ClaimInfo>> WaitForClaim(const std::string& query_id,
                                                                    int64_t) override {
    if (query_id != "q1") return MakeError(ErrorCode::kNotFound, "no query " + query_id);
    ++waited;
    if (waits) return std::nullopt;
    return Claim();
  }
  arrow::Result<std::string> Explain(protocol::Query) const override { return "{}"; }
  arrow::Result<int> ClearCache(const std::string&) override { return 0; }
  arrow::Status Announce(std::string_view) override { return arrow::Status::OK(); }
  arrow::Status CancelQuery(const std::string&) override { return arrow::Status::OK(); }
  std::string WorkersJson() const override { return "{}"; }
  std::string QueriesJson() const override { return "{}"; }
  arrow::Result<std::string> QueryJson(const std::string&, int64_t) override { return "{}"; }
  arrow::Status Ready() const override { return arrow::Status::OK(); }
  std::string Metrics() const override { return ""; }

  static coordinator::ClaimInfo Claim() {
    return {.query_id = "q1",
            .worker_id = "w1",
            .location = "grpc://127.0.0.1:5005",
            .reason = "home rank 0",
            .queue_ms = 3,
            .ticket = std::string("sealed\0ticket", 13)};
  }

  protocol::Query seen;
  bool waits = false;
  int waited = 0;
};

class CoordinatorServerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto server = CoordinatorServer::Start(service_, "127.0.0.1", 0);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    client_ = *fl::FlightClient::Connect(*fl::Location::ForGrpcTcp("127.0.0.1", server_->port()));
  }

  arrow::Result<std::unique_ptr<fl::FlightInfo>> Ask(const std::string& command,
                                                     const std::string& client = "") {
    fl::FlightCallOptions options;
    if (!client.empty()) options.headers.emplace_back("x-eider-client", client);
    return client_->GetFlightInfo(options, fl::FlightDescriptor::Command(command));
  }
  ErrorCode Error(const std::string& command) {
    const arrow::Status status = Ask(command).status();
    const auto detail = fl::FlightStatusDetail::UnwrapStatus(status);
    EXPECT_NE(detail, nullptr) << status;
    return base::DecodeError(detail->extra_info()).value_or(base::ErrorInfo{}).code;
  }

  FakeCoordinator service_;
  std::unique_ptr<CoordinatorServer> server_;
  std::unique_ptr<fl::FlightClient> client_;
};

TEST_F(CoordinatorServerTest, AClaimIsAnEndpointAndATicket) {
  const auto info = Ask(R"({"query": "SELECT ?", "args": [1]})", "me");
  ASSERT_TRUE(info.ok()) << info.status();
  ASSERT_EQ((*info)->endpoints().size(), 1u);
  const fl::FlightEndpoint& endpoint = (*info)->endpoints()[0];
  EXPECT_EQ(endpoint.ticket.ticket, FakeCoordinator::Claim().ticket);
  ASSERT_EQ(endpoint.locations.size(), 1u);
  EXPECT_EQ(endpoint.locations[0].ToString(), "grpc://127.0.0.1:5005");
  EXPECT_EQ((*info)->app_metadata(),
            R"({"query_id":"q1","worker":"w1","location":"grpc://127.0.0.1:5005",)"
            R"("reason":"home rank 0","queue_ms":3})");
  EXPECT_EQ(service_.seen.sql, "SELECT ?");
  EXPECT_EQ(service_.seen.client, "me");
  EXPECT_FALSE(service_.seen.write);
}

TEST_F(CoordinatorServerTest, WithoutANameTheClientIsItsAddress) {
  ASSERT_TRUE(Ask(R"({"query": "SELECT 1"})").ok());
  EXPECT_THAT(service_.seen.client, HasSubstr("127.0.0.1"));
  EXPECT_EQ(std::count(service_.seen.client.begin(), service_.seen.client.end(), ':'), 1);
}

TEST_F(CoordinatorServerTest, AWriteSaysSo) {
  ASSERT_TRUE(Ask(R"({"query": "COPY", "write": true})").ok());
  EXPECT_TRUE(service_.seen.write);
  ASSERT_TRUE(Ask(R"({"query": "SELECT '\"write\"'"})").ok());
  EXPECT_FALSE(service_.seen.write);
}

TEST_F(CoordinatorServerTest, BadCommands) {
  EXPECT_EQ(Error("no json"), ErrorCode::kInvalidQuery);
  EXPECT_EQ(Error("{}"), ErrorCode::kInvalidQuery);
  EXPECT_EQ(Error(R"({"query": "SELECT 1", "write": 1})"), ErrorCode::kInvalidQuery);
  EXPECT_EQ(Error(R"({"query": "SELECT 1", "wait_for": "q1"})"), ErrorCode::kInvalidQuery);
  EXPECT_EQ(Error(R"({"wait_for": "unknown"})"), ErrorCode::kNotFound);
  EXPECT_EQ(Error(R"({"query": "refused"})"), ErrorCode::kOverloaded);
}

TEST_F(CoordinatorServerTest, AWaitingQueryIsAskedForAgain) {
  service_.waits = true;
  const auto waiting = Ask(R"({"query": "SELECT 1"})");
  ASSERT_TRUE(waiting.ok()) << waiting.status();
  EXPECT_TRUE((*waiting)->endpoints().empty());
  EXPECT_EQ((*waiting)->app_metadata(), R"({"query_id":"q1","waiting":true})");
  service_.waits = false;
  const auto claimed = Ask(R"({"wait_for": "q1"})");
  ASSERT_TRUE(claimed.ok()) << claimed.status();
  EXPECT_EQ((*claimed)->endpoints().size(), 1u);
}

}  // namespace
}  // namespace eider::rpc::flight
