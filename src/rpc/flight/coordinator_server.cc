#include "rpc/flight/coordinator_server.h"

#include <arrow/flight/api.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "config/limits.h"
#include "protocol/any_query.h"
#include "protocol/query.h"
#include "protocol/value.h"
#include "rpc/flight/errors.h"
#include "rpc/flight/listener.h"

namespace eider::rpc::flight {
namespace {

namespace fl = arrow::flight;
using base::ErrorCode;
using base::MakeError;
using protocol::Value;

constexpr char kClientHeader[] = "x-eider-client";
constexpr size_t kMaxClientBytes = 256;  // of its value, as at the HTTP door
// How long to wait for a claim before answering without one; a client that asks for less gets it.
constexpr char kWaitHeader[] = "x-eider-wait-ms";
constexpr int64_t kLongPollMs = 10'000;
// Between two looks at whether the client is still there.
constexpr int64_t kSliceMs = 200;

// A command: a query, or the id of one that waits.
struct Request {
  std::optional<protocol::Query> query;
  std::string wait_for;
};

arrow::Result<protocol::Query> DecodeQuery(const std::string& command) {
  ARROW_ASSIGN_OR_RAISE(protocol::Query query, protocol::DecodeAnyQuery(command));
  if (static_cast<int64_t>(query.sql.size()) >= config::kMaxSqlBytes) {
    return MakeError(ErrorCode::kInvalidQuery,
                     "query: its SQL has " + std::to_string(query.sql.size()) +
                         " bytes; it must have fewer than " + std::to_string(config::kMaxSqlBytes) +
                         ". Long lists go into args");
  }
  return query;
}

// With the limits that the HTTP door has.
arrow::Result<Request> DecodeRequest(const std::string& command) {
  if (static_cast<int64_t>(command.size()) > config::kMaxBodyBytes) {
    return MakeError(ErrorCode::kInvalidQuery, "the command has " + std::to_string(command.size()) +
                                                   " bytes, more than " +
                                                   std::to_string(config::kMaxBodyBytes));
  }
  Request request;
  if (command.find("\"wait_for\"") == std::string::npos) {
    ARROW_ASSIGN_OR_RAISE(request.query, DecodeQuery(command));
    return request;
  }
  ARROW_ASSIGN_OR_RAISE(const Value body, protocol::ParseJson(command));
  const Value* wait_for = body.Find("wait_for");
  if (wait_for != nullptr && wait_for->kind == Value::Kind::kString && body.items.size() == 1) {
    request.wait_for = wait_for->text;
    return request;
  }
  ARROW_ASSIGN_OR_RAISE(request.query, DecodeQuery(command));
  return request;
}

// Who asks, for fairness: what the client says it is, else the address without its port.
std::string ClientOf(const fl::ServerCallContext& context) {
  const auto& headers = context.incoming_headers();
  if (const auto named = headers.find(kClientHeader); named != headers.end()) {
    return std::string(named->second.substr(0, kMaxClientBytes));
  }
  const std::string& peer = context.peer();
  return peer.substr(0, peer.rfind(':'));
}

int64_t WaitOf(const fl::ServerCallContext& context) {
  const auto& headers = context.incoming_headers();
  const auto asked = headers.find(kWaitHeader);
  if (asked == headers.end()) return kLongPollMs;
  const std::string_view text(asked->second);
  int64_t wait_ms = kLongPollMs;
  std::from_chars(text.data(), text.data() + text.size(), wait_ms);
  return std::clamp<int64_t>(wait_ms, 0, kLongPollMs);
}

std::string MetadataOf(const coordinator::ClaimInfo& claim) {
  return protocol::EncodeJson(Value::Struct({{"query_id", Value::String(claim.query_id)},
                                             {"worker", Value::String(claim.worker_id)},
                                             {"location", Value::String(claim.location)},
                                             {"reason", Value::String(claim.reason)},
                                             {"queue_ms", Value::Integer(claim.queue_ms)}}));
}

std::string WaitingMetadata(const std::string& query_id) {
  return protocol::EncodeJson(
      Value::Struct({{"query_id", Value::String(query_id)}, {"waiting", Value::Bool(true)}}));
}

fl::FlightDescriptor WaitDescriptor(const std::string& query_id) {
  return fl::FlightDescriptor::Command(
      protocol::EncodeJson(Value::Struct({{"wait_for", Value::String(query_id)}})));
}

// Where a query is: claimed, or still waiting.
struct Answer {
  std::string query_id;
  std::optional<coordinator::ClaimInfo> claim;
};

arrow::Result<fl::FlightInfo> MakeInfo(const fl::FlightDescriptor& descriptor,
                                       const Answer& answer) {
  std::vector<fl::FlightEndpoint> endpoints;
  std::string metadata = WaitingMetadata(answer.query_id);
  if (answer.claim) {
    ARROW_ASSIGN_OR_RAISE(auto location, fl::Location::Parse(answer.claim->location));
    fl::FlightEndpoint& endpoint = endpoints.emplace_back();
    endpoint.ticket.ticket = answer.claim->ticket;
    endpoint.locations.push_back(std::move(location));
    metadata = MetadataOf(*answer.claim);
  }
  static const arrow::Schema kUnknown({});
  return fl::FlightInfo::Make(kUnknown, descriptor, endpoints, /*total_records=*/-1,
                              /*total_bytes=*/-1, /*ordered=*/true, std::move(metadata));
}

}  // namespace

class CoordinatorServer::Impl final : public fl::FlightServerBase {
 public:
  explicit Impl(coordinator::Service& service) : service_(service) {}

  arrow::Status GetFlightInfo(const fl::ServerCallContext& context,
                              const fl::FlightDescriptor& descriptor,
                              std::unique_ptr<fl::FlightInfo>* out) override {
    auto answer = Ask(context, descriptor);
    if (!answer.ok()) return ToFlight(answer.status());
    auto info = MakeInfo(descriptor, *answer);
    if (!info.ok()) return ToFlight(info.status());
    *out = std::make_unique<fl::FlightInfo>(*std::move(info));
    return arrow::Status::OK();
  }

  arrow::Status PollFlightInfo(const fl::ServerCallContext& context,
                               const fl::FlightDescriptor& descriptor,
                               std::unique_ptr<fl::PollInfo>* out) override {
    auto answer = Ask(context, descriptor);
    if (!answer.ok()) return ToFlight(answer.status());
    auto info = MakeInfo(descriptor, *answer);
    if (!info.ok()) return ToFlight(info.status());
    *out = std::make_unique<fl::PollInfo>(
        std::make_unique<fl::FlightInfo>(*std::move(info)),
        answer->claim ? std::nullopt
                      : std::optional<fl::FlightDescriptor>(WaitDescriptor(answer->query_id)),
        std::nullopt, std::nullopt);
    return arrow::Status::OK();
  }

  std::once_flag stopped;

 private:
  arrow::Result<Answer> Ask(const fl::ServerCallContext& context,
                            const fl::FlightDescriptor& descriptor) {
    ARROW_ASSIGN_OR_RAISE(Request request, DecodeRequest(descriptor.cmd));
    Answer answer{.query_id = request.wait_for, .claim = std::nullopt};
    int64_t left_ms = WaitOf(context);
    const auto slice = [&left_ms] {
      const int64_t slice_ms = std::min(left_ms, kSliceMs);
      left_ms -= slice_ms;
      return slice_ms;
    };
    if (request.query) {
      request.query->client = ClientOf(context);
      ARROW_ASSIGN_OR_RAISE(answer.claim,
                            service_.Hand(*std::move(request.query), slice(), &answer.query_id));
    }
    while (!answer.claim) {
      if (context.is_cancelled()) {
        (void)service_.CancelQuery(answer.query_id);
        return MakeError(ErrorCode::kCancelled, "the client went away");
      }
      if (left_ms <= 0) break;
      ARROW_ASSIGN_OR_RAISE(answer.claim, service_.WaitForClaim(answer.query_id, slice()));
    }
    return answer;
  }

  coordinator::Service& service_;
};

CoordinatorServer::CoordinatorServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

CoordinatorServer::~CoordinatorServer() { Stop(); }

arrow::Result<std::unique_ptr<CoordinatorServer>> CoordinatorServer::Start(
    coordinator::Service& service, const std::string& bind, int port) {
  auto impl = std::make_unique<Impl>(service);
  ARROW_RETURN_NOT_OK(Listen(*impl, bind, port));
  return std::unique_ptr<CoordinatorServer>(new CoordinatorServer(std::move(impl)));
}

int CoordinatorServer::port() const { return impl_->port(); }

void CoordinatorServer::Stop() {
  std::call_once(impl_->stopped, [&] { StopListening(*impl_); });
}

}  // namespace eider::rpc::flight
