// Both ends of a Flight DoExchange as protocol::Channels: each message is the app_metadata of a
// Flight message without data.
#pragma once

#include <arrow/flight/api.h>

#include <memory>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "protocol/channel.h"

namespace eider::rpc::flight {

// The command of the descriptor that opens an attach stream.
inline constexpr char kAttachCommand[] = "attach";
// Before a sealed ticket: the command that runs it, as DoGet does. DoGet's client blocks for the
// schema before there is anything to cancel; an exchange's does not.
inline constexpr char kRunCommand[] = "run:";

// The calling side. Cancel ends a blocked Receive at once, also when the server is frozen.
class ClientChannel final : public protocol::Channel {
 public:
  // Sends the descriptor. `client` outlives this; `peer` is its location, for messages.
  static arrow::Result<std::unique_ptr<ClientChannel>> Open(
      std::shared_ptr<arrow::flight::FlightClient> client, const std::string& command,
      std::string peer);
  ~ClientChannel() override;

  arrow::Status Send(const std::string& message) override;
  arrow::Result<std::optional<std::string>> Receive() override;
  void Cancel() override;

 private:
  ClientChannel(std::shared_ptr<arrow::flight::FlightClient> client,
                arrow::flight::FlightClient::DoExchangeResult exchange, std::string peer);

  const std::shared_ptr<arrow::flight::FlightClient> client_;
  const std::unique_ptr<arrow::flight::FlightStreamReader> reader_;
  const std::unique_ptr<arrow::flight::FlightStreamWriter> writer_;
  const std::string peer_;
};

// The serving side. Flight cannot break off a server's blocked read, so the thread of the call does
// nothing but read (Pump), and only while somebody is in Receive; the session has another thread.
class ServerChannel final : public protocol::Channel {
 public:
  ServerChannel(const arrow::flight::ServerCallContext& context,
                arrow::flight::FlightMessageReader& reader,
                arrow::flight::FlightMessageWriter& writer);

  arrow::Status Send(const std::string& message) override;
  arrow::Result<std::optional<std::string>> Receive() override;
  void Cancel() override;

  // Reads for Receive until Finish; called by the thread of the call. Returns late, when the client
  // has gone, if a read is under way as Finish comes.
  void Pump();
  // Nobody receives any more.
  void Finish();

 private:
  enum class Read { kIdle, kWanted, kUnderWay, kDone };
  arrow::Result<std::optional<std::string>> ReadOne();

  const arrow::flight::ServerCallContext& context_;
  arrow::flight::FlightMessageReader& reader_;
  base::Mutex write_mutex_;
  arrow::flight::FlightMessageWriter& writer_ EIDER_GUARDED_BY(write_mutex_);

  base::Mutex mutex_;
  base::CondVar changed_;
  Read read_ EIDER_GUARDED_BY(mutex_) = Read::kIdle;
  arrow::Result<std::optional<std::string>> message_ EIDER_GUARDED_BY(mutex_);
  bool cancelled_ EIDER_GUARDED_BY(mutex_) = false;
  bool finished_ EIDER_GUARDED_BY(mutex_) = false;
};

}  // namespace eider::rpc::flight
