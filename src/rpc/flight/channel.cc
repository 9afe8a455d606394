#include "rpc/flight/channel.h"

#include <utility>

#include "base/error.h"
#include "rpc/flight/errors.h"

namespace eider::rpc::flight {
namespace {

using base::ErrorCode;
using base::MakeError;

arrow::Status Cancelled() {
  return MakeError(ErrorCode::kCancelled, "the attach stream was cancelled");
}

}  // namespace

arrow::Result<std::unique_ptr<ClientChannel>> ClientChannel::Open(
    std::shared_ptr<arrow::flight::FlightClient> client, const std::string& command,
    std::string peer) {
  auto exchange = client->DoExchange(arrow::flight::FlightDescriptor::Command(command));
  if (!exchange.ok()) return FromFlight(exchange.status(), peer);
  return std::unique_ptr<ClientChannel>(
      new ClientChannel(std::move(client), *std::move(exchange), std::move(peer)));
}

ClientChannel::ClientChannel(std::shared_ptr<arrow::flight::FlightClient> client,
                             arrow::flight::FlightClient::DoExchangeResult exchange,
                             std::string peer)
    : client_(std::move(client)),
      reader_(std::move(exchange.reader)),
      writer_(std::move(exchange.writer)),
      peer_(std::move(peer)) {}

ClientChannel::~ClientChannel() {
  // Closing reads the stream to its end; a cancelled one has none to wait for.
  reader_->Cancel();
  (void)writer_->Close();
}

arrow::Status ClientChannel::Send(const std::string& message) {
  return FromFlight(writer_->WriteMetadata(arrow::Buffer::FromString(message)), peer_);
}

arrow::Result<std::optional<std::string>> ClientChannel::Receive() {
  auto chunk = reader_->Next();
  if (!chunk.ok()) return FromFlight(chunk.status(), peer_);
  if (chunk->app_metadata == nullptr) return std::nullopt;
  return chunk->app_metadata->ToString();
}

void ClientChannel::Cancel() { reader_->Cancel(); }

ServerChannel::ServerChannel(const arrow::flight::ServerCallContext& context,
                             arrow::flight::FlightMessageReader& reader,
                             arrow::flight::FlightMessageWriter& writer)
    : context_(context), reader_(reader), writer_(writer), message_(std::optional<std::string>()) {}

arrow::Status ServerChannel::Send(const std::string& message) {
  {
    base::MutexLock lock(mutex_);
    if (cancelled_) return Cancelled();
  }
  base::MutexLock lock(write_mutex_);
  return FromFlight(writer_.WriteMetadata(arrow::Buffer::FromString(message)), context_.peer());
}

arrow::Result<std::optional<std::string>> ServerChannel::Receive() {
  base::MutexLock lock(mutex_);
  if (read_ == Read::kIdle) read_ = Read::kWanted;
  changed_.NotifyAll();
  while (!cancelled_ && read_ != Read::kDone) changed_.Wait(mutex_);
  if (cancelled_) return Cancelled();
  read_ = Read::kIdle;
  return std::move(message_);
}

void ServerChannel::Cancel() {
  base::MutexLock lock(mutex_);
  cancelled_ = true;
  changed_.NotifyAll();
}

void ServerChannel::Finish() {
  base::MutexLock lock(mutex_);
  finished_ = true;
  changed_.NotifyAll();
}

void ServerChannel::Pump() {
  while (true) {
    {
      base::MutexLock lock(mutex_);
      while (!finished_ && read_ != Read::kWanted) changed_.Wait(mutex_);
      if (finished_) return;
      read_ = Read::kUnderWay;
    }
    auto message = ReadOne();
    base::MutexLock lock(mutex_);
    message_ = std::move(message);
    read_ = Read::kDone;
    changed_.NotifyAll();
  }
}

arrow::Result<std::optional<std::string>> ServerChannel::ReadOne() {
  auto chunk = reader_.Next();
  if (!chunk.ok()) return FromFlight(chunk.status(), context_.peer());
  if (chunk->app_metadata != nullptr) return chunk->app_metadata->ToString();
  // A client that died and one that ended its stream look alike to the reader.
  if (context_.is_cancelled()) {
    return MakeError(ErrorCode::kCancelled, "the client of the attach stream went away");
  }
  return std::nullopt;
}

}  // namespace eider::rpc::flight
