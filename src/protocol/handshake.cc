#include "protocol/handshake.h"

#include <string_view>
#include <utility>
#include <variant>

#include "base/error.h"
#include "base/random.h"
#include "protocol/fields.h"

namespace eider::protocol {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr int64_t kVersion = 1;
constexpr int kNonceBytes = 32;
constexpr size_t kNonceDigits = 2 * kNonceBytes;
constexpr std::string_view kCoordinatorPurpose = "attach";
constexpr std::string_view kWorkerPurpose = "attach-worker";
constexpr char kToWorker[] = "to worker";
constexpr char kToCoordinator[] = "to coordinator";

arrow::Status Denied(std::string why) {
  return MakeError(ErrorCode::kPermissionDenied, "attach: " + std::move(why));
}

// The nonces are of a fixed length and the epoch has no bar in it, so that no two different sets of
// values give one string.
std::string CoordinatorProof(const std::string& nonces, const std::string& id, int64_t epoch) {
  return nonces + "|" + std::to_string(epoch) + "|" + id;
}

std::string WorkerProof(const std::string& nonces, const std::string& id) {
  return nonces + "|" + id;
}

arrow::Status SendJson(Channel& channel, const Value& value) {
  return channel.Send(EncodeJson(value));
}

arrow::Result<Value> ReceiveJson(Channel& channel) {
  ARROW_ASSIGN_OR_RAISE(const std::optional<std::string> text, channel.Receive());
  if (!text) return Denied("the other side ended the handshake");
  auto message = ParseJson(*text);
  if (!message.ok() || message->kind != Value::Kind::kStruct) return Denied("this is no handshake");
  return message;
}

// Whoever does not speak the handshake has not the key either.
arrow::Status Checked(Fields& fields) {
  const arrow::Status status = fields.Done();
  return status.ok() ? status : Denied(status.message());
}

arrow::Status CheckNonce(const std::string& nonce) {
  if (nonce.size() == kNonceDigits) return arrow::Status::OK();
  return Denied("the nonce has " + std::to_string(nonce.size()) + " characters");
}

// Whether `hex` is the MAC of `proof`. Compares a MAC of each text, which takes the same time
// wherever they differ.
bool Proves(const ClusterKey& key, std::string_view purpose, std::string_view proof,
            const std::string& hex) {
  const std::string expected = base::ToHex(key.Mac(purpose, proof));
  return key.Verify("compare", hex, key.Mac("compare", expected));
}

std::string Purpose(const char* direction, int64_t sequence) {
  return std::string(direction) + ":" + std::to_string(sequence);
}

}  // namespace

Session::Session(Channel& channel, ClusterKey key, std::string peer_id, int64_t epoch,
                 const char* sends, const char* receives)
    : channel_(channel),
      key_(std::move(key)),
      peer_id_(std::move(peer_id)),
      epoch_(epoch),
      sends_(sends),
      receives_(receives) {}

arrow::Result<std::unique_ptr<Session>> Session::Accept(Channel& channel, const ClusterKey& key,
                                                        const std::string& worker_id) {
  const std::string nonce = base::RandomHex(kNonceBytes);
  ARROW_RETURN_NOT_OK(SendJson(channel, Value::Struct({{"nonce", Value::String(nonce)},
                                                       {"version", Value::Integer(kVersion)}})));

  ARROW_ASSIGN_OR_RAISE(const Value answer, ReceiveJson(channel));
  std::string coordinator_id;
  std::string coordinator_nonce;
  std::string mac;
  int64_t epoch = 0;
  Fields fields(answer, "attach");
  fields.Read("coordinator_id", &coordinator_id);
  fields.Read("epoch", &epoch);
  fields.Read("nonce", &coordinator_nonce);
  fields.Read("mac", &mac);
  ARROW_RETURN_NOT_OK(Checked(fields));
  ARROW_RETURN_NOT_OK(CheckNonce(coordinator_nonce));

  const std::string nonces = nonce + "|" + coordinator_nonce;
  if (!Proves(key, kCoordinatorPurpose, CoordinatorProof(nonces, coordinator_id, epoch), mac)) {
    return Denied("the coordinator has another cluster key");
  }

  const std::string proof = base::ToHex(key.Mac(kWorkerPurpose, WorkerProof(nonces, worker_id)));
  ARROW_RETURN_NOT_OK(SendJson(channel, Value::Struct({{"worker_id", Value::String(worker_id)},
                                                       {"mac", Value::String(proof)}})));
  return std::unique_ptr<Session>(new Session(
      channel, key.Derive(nonces), std::move(coordinator_id), epoch, kToCoordinator, kToWorker));
}

arrow::Result<std::unique_ptr<Session>> Session::Connect(Channel& channel, const ClusterKey& key,
                                                         const std::string& coordinator_id,
                                                         int64_t epoch) {
  ARROW_ASSIGN_OR_RAISE(const Value opening, ReceiveJson(channel));
  std::string worker_nonce;
  int64_t version = 0;
  Fields fields(opening, "attach");
  fields.Read("nonce", &worker_nonce);
  fields.Read("version", &version);
  ARROW_RETURN_NOT_OK(Checked(fields));
  ARROW_RETURN_NOT_OK(CheckNonce(worker_nonce));
  if (version != kVersion) {
    return Denied("the worker speaks version " + std::to_string(version) + ", we " +
                  std::to_string(kVersion));
  }

  const std::string nonce = base::RandomHex(kNonceBytes);
  const std::string nonces = worker_nonce + "|" + nonce;
  const std::string proof =
      base::ToHex(key.Mac(kCoordinatorPurpose, CoordinatorProof(nonces, coordinator_id, epoch)));
  ARROW_RETURN_NOT_OK(
      SendJson(channel, Value::Struct({{"coordinator_id", Value::String(coordinator_id)},
                                       {"epoch", Value::Integer(epoch)},
                                       {"nonce", Value::String(nonce)},
                                       {"mac", Value::String(proof)}})));

  ARROW_ASSIGN_OR_RAISE(const Value answer, ReceiveJson(channel));
  std::string worker_id;
  std::string mac;
  Fields answered(answer, "attach");
  answered.Read("worker_id", &worker_id);
  answered.Read("mac", &mac);
  ARROW_RETURN_NOT_OK(Checked(answered));
  if (!Proves(key, kWorkerPurpose, WorkerProof(nonces, worker_id), mac)) {
    return Denied("the worker has another cluster key");
  }
  return std::unique_ptr<Session>(new Session(channel, key.Derive(nonces), std::move(worker_id),
                                              epoch, kToWorker, kToCoordinator));
}

arrow::Status Session::Send(const Message& message) {
  base::MutexLock lock(send_mutex_);
  return channel_.Send(Seal(key_, Purpose(sends_, sent_++), EncodeMessage(message)));
}

arrow::Result<std::optional<Message>> Session::Receive() {
  ARROW_ASSIGN_OR_RAISE(const std::optional<std::string> sealed, channel_.Receive());
  if (!sealed) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(const std::string json,
                        Unseal(key_, Purpose(receives_, received_++), *sealed));
  ARROW_ASSIGN_OR_RAISE(Message message, DecodeMessage(json));
  return std::optional<Message>(std::move(message));
}

}  // namespace eider::protocol
