#include "rpc/flight/worker_server.h"

#include <arrow/flight/api.h>

#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "base/error.h"
#include "rpc/flight/batch_reader.h"
#include "rpc/flight/channel.h"
#include "rpc/flight/connections.h"
#include "rpc/flight/errors.h"
#include "rpc/flight/listener.h"

namespace eider::rpc::flight {

namespace fl = arrow::flight;
using base::ErrorCode;
using base::MakeError;

class WorkerServer::Impl final : public fl::FlightServerBase {
 public:
  explicit Impl(worker::Service& service) : service_(service) {}

  arrow::Status DoGet(const fl::ServerCallContext& context, const fl::Ticket& ticket,
                      std::unique_ptr<fl::FlightDataStream>* out) override {
    auto stream = Run(context, ticket.ticket);
    if (!stream.ok()) return ToFlight(stream.status());
    *out =
        std::make_unique<fl::RecordBatchStream>(std::make_shared<BatchReader>(*std::move(stream)));
    return arrow::Status::OK();
  }

  arrow::Status DoExchange(const fl::ServerCallContext& context,
                           std::unique_ptr<fl::FlightMessageReader> reader,
                           std::unique_ptr<fl::FlightMessageWriter> writer) override {
    const std::string& command = reader->descriptor().cmd;
    if (command == kAttachCommand) return Attach(context, *reader, *writer);
    if (command.starts_with(kRunCommand)) {
      return ToFlight(
          Write(context, command.substr(std::string_view(kRunCommand).size()), *writer));
    }
    return ToFlight(MakeError(ErrorCode::kInvalidQuery, "unknown exchange"));
  }

  arrow::Status DoAction(const fl::ServerCallContext& context, const fl::Action& action,
                         std::unique_ptr<fl::ResultStream>* result) override {
    if (action.type != "command" || action.body == nullptr) {
      return ToFlight(MakeError(ErrorCode::kInvalidQuery, "unknown action `" + action.type + "`"));
    }
    ARROW_RETURN_NOT_OK(ToFlight(service_.Execute(std::string_view(*action.body))));
    *result = std::make_unique<fl::SimpleResultStream>(std::vector<fl::Result>{});
    return arrow::Status::OK();
  }

  std::once_flag stopped;

 private:
  arrow::Result<std::unique_ptr<protocol::BatchStream>> Run(const fl::ServerCallContext& context,
                                                            std::string_view ticket) {
    // The context lives until the stream is gone, which is how long the worker may ask.
    const auto use = connections_.Enter(context.peer(), port());
    return service_.Run(ticket, {.gone = [&context, use] { return context.is_cancelled(); },
                                 .disconnect = [use] { use->GiveUp(); }});
  }

  // DoGet's answer over an exchange.
  arrow::Status Write(const fl::ServerCallContext& context, std::string_view ticket,
                      fl::FlightMessageWriter& writer) {
    ARROW_ASSIGN_OR_RAISE(const auto stream, Run(context, ticket));
    ARROW_RETURN_NOT_OK(writer.Begin(stream->schema()));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const auto batch, stream->Next());
      if (batch == nullptr) return writer.Close();
      ARROW_RETURN_NOT_OK(writer.WriteRecordBatch(*batch));
    }
  }

  arrow::Status Attach(const fl::ServerCallContext& context, fl::FlightMessageReader& reader,
                       fl::FlightMessageWriter& writer) {
    ServerChannel channel(context, reader, writer);
    arrow::Status status;
    std::thread session([&] {
      status = service_.Attach(channel);
      channel.Finish();
    });
    channel.Pump();
    session.join();
    return ToFlight(status);
  }

  worker::Service& service_;
  Connections connections_;
};

WorkerServer::WorkerServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

WorkerServer::~WorkerServer() { Stop(); }

arrow::Result<std::unique_ptr<WorkerServer>> WorkerServer::Start(worker::Service& service,
                                                                 const std::string& bind,
                                                                 int port) {
  auto impl = std::make_unique<Impl>(service);
  ARROW_RETURN_NOT_OK(Listen(*impl, bind, port));
  return std::unique_ptr<WorkerServer>(new WorkerServer(std::move(impl)));
}

int WorkerServer::port() const { return impl_->port(); }

void WorkerServer::Stop() {
  std::call_once(impl_->stopped, [&] { StopListening(*impl_); });
}

}  // namespace eider::rpc::flight
