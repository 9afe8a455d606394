#include "rpc/flight/worker_client.h"

#include <arrow/flight/api.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "base/error.h"
#include "rpc/flight/channel.h"
#include "rpc/flight/errors.h"

namespace eider::rpc::flight {
namespace {

namespace fl = arrow::flight;
using base::ErrorCode;
using base::MakeError;

// A try to connect ends after this; the next one comes soon, as workers come and go.
constexpr int kConnectMs = 3'000;
constexpr int kFirstRetryMs = 100;
constexpr int kMaxRetryMs = 1'000;
// Of each result under way, what may wait here for the coordinator to take it. Left to itself gRPC
// lets this grow with what the link could carry: 60 MB on loopback, however slowly it is read.
constexpr int kResultWindowBytes = 8 << 20;

arrow::Result<std::shared_ptr<fl::FlightClient>> Connect(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(const fl::Location parsed, fl::Location::Parse(location));
  fl::FlightClientOptions options = fl::FlightClientOptions::Defaults();
  options.generic_options = {{"grpc.min_reconnect_backoff_ms", kConnectMs},
                             {"grpc.initial_reconnect_backoff_ms", kFirstRetryMs},
                             {"grpc.max_reconnect_backoff_ms", kMaxRetryMs},
                             {"grpc.http2.lookahead_bytes", kResultWindowBytes},
                             {"grpc.http2.bdp_probe", 0},
                             // A proxy of the environment is for the world outside the fleet.
                             {"grpc.enable_http_proxy", 0}};
  return fl::FlightClient::Connect(parsed, options);
}

class FlightStream final : public coordinator::RemoteStream {
 public:
  FlightStream(std::shared_ptr<fl::FlightClient> client,
               fl::FlightClient::DoExchangeResult exchange, std::string peer)
      : client_(std::move(client)),
        reader_(std::move(exchange.reader)),
        writer_(std::move(exchange.writer)),
        peer_(std::move(peer)) {}

  ~FlightStream() override {
    // Closing reads what is left of the stream; a cancelled one has nothing left.
    if (!ended_) reader_->Cancel();
    (void)writer_->Close();
  }

  arrow::Status Start() override {
    auto schema = reader_->GetSchema();
    if (!schema.ok()) return Error(schema.status());
    schema_ = *std::move(schema);
    return arrow::Status::OK();
  }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    auto chunk = reader_->Next();
    if (!chunk.ok()) return Error(chunk.status());
    // The end of the messages is not the end of the call: Flight has looked at its status here.
    if (chunk->data == nullptr) ended_ = true;
    return std::move(chunk->data);
  }

  void Cancel() override {
    cancelled_ = true;
    reader_->Cancel();
  }

 private:
  arrow::Status Error(const arrow::Status& status) const {
    if (cancelled_) return MakeError(ErrorCode::kCancelled, "the query was cancelled");
    return FromFlight(status, peer_);
  }

  const std::shared_ptr<fl::FlightClient> client_;
  const std::unique_ptr<fl::FlightStreamReader> reader_;
  const std::unique_ptr<fl::FlightStreamWriter> writer_;
  const std::string peer_;
  std::shared_ptr<arrow::Schema> schema_;
  bool ended_ = false;
  std::atomic<bool> cancelled_ = false;
};

class FlightWorkerClient final : public coordinator::WorkerClient {
 public:
  FlightWorkerClient(std::string location, std::shared_ptr<fl::FlightClient> control,
                     std::shared_ptr<fl::FlightClient> data)
      : location_(std::move(location)), control_(std::move(control)), data_(std::move(data)) {}

  arrow::Result<std::unique_ptr<protocol::Channel>> Attach() override {
    return ClientChannel::Open(control_, kAttachCommand, location_);
  }

  arrow::Result<std::unique_ptr<coordinator::RemoteStream>> Run(
      const std::string& ticket) override {
    auto exchange = data_->DoExchange(fl::FlightDescriptor::Command(kRunCommand + ticket));
    if (!exchange.ok()) return FromFlight(exchange.status(), location_);
    return std::make_unique<FlightStream>(data_, *std::move(exchange), location_);
  }

  arrow::Status Send(const std::string& command, int64_t timeout_ms) override {
    fl::FlightCallOptions options;
    options.timeout = fl::TimeoutDuration(static_cast<double>(timeout_ms) / 1000);
    const fl::Action action("command", arrow::Buffer::FromString(command));
    auto results = control_->DoAction(options, action);
    if (!results.ok()) return FromFlight(results.status(), location_);
    // The answer is empty: the end of it says how the command went.
    return FromFlight((*results)->Next().status(), location_);
  }

 private:
  const std::string location_;
  // A connection of its own for what must not wait behind batches.
  const std::shared_ptr<fl::FlightClient> control_;
  const std::shared_ptr<fl::FlightClient> data_;
};

}  // namespace

coordinator::WorkerClientFactory MakeWorkerClientFactory() {
  return
      [](const std::string& location) -> arrow::Result<std::shared_ptr<coordinator::WorkerClient>> {
        ARROW_ASSIGN_OR_RAISE(auto control, Connect(location));
        ARROW_ASSIGN_OR_RAISE(auto data, Connect(location));
        return std::make_shared<FlightWorkerClient>(location, std::move(control), std::move(data));
      };
}

}  // namespace eider::rpc::flight
