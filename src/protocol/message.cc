#include "protocol/message.h"

#include <array>
#include <utility>

#include "protocol/fields.h"

namespace eider::protocol {
namespace {

using base::ErrorCode;
using base::MakeError;

constexpr std::string_view kCommandPurpose = "command";
constexpr std::string_view kAnnouncementPurpose = "announcement";

Value Encode(const std::vector<std::string>& texts) {
  Value list = Value::List();
  for (const std::string& text : texts) list.items.push_back(Value::String(text));
  return list;
}

Value Encode(const AttemptId& id) {
  return Value::Struct(
      {{"task", Value::String(id.task_id)}, {"attempt", Value::Integer(id.attempt)}});
}

void Decode(const Value* value, Fields* outer, AttemptId* id) {
  if (value == nullptr) return;
  Fields fields(*value, "attempt");
  fields.Read("task", &id->task_id);
  fields.Read("attempt", &id->attempt);
  outer->Check(fields.Done());
}

Value Encode(const Hello& hello) {
  Value running = Value::List();
  for (const AttemptId& id : hello.running) running.items.push_back(Encode(id));
  return Value::Struct({{"is", Value::String("hello")},
                        {"worker", Value::String(hello.worker_id)},
                        {"boot", Value::String(hello.boot_id)},
                        {"version", Value::String(hello.version)},
                        {"clock_ms", Value::Integer(hello.clock_ms)},
                        {"slots", Value::Integer(hello.slots)},
                        {"threads", Value::Integer(hello.threads)},
                        {"memory_limit_bytes", Value::Integer(hello.memory_limit_bytes)},
                        {"running", std::move(running)}});
}

Message DecodeHello(Fields* fields) {
  Hello hello;
  fields->Read("worker", &hello.worker_id);
  fields->Read("boot", &hello.boot_id);
  fields->Read("version", &hello.version);
  fields->Read("clock_ms", &hello.clock_ms);
  fields->Read("slots", &hello.slots);
  fields->Read("threads", &hello.threads);
  fields->Read("memory_limit_bytes", &hello.memory_limit_bytes);
  if (const Value* running = fields->Get("running")) {
    for (const Value& item : running->items) Decode(&item, fields, &hello.running.emplace_back());
  }
  return hello;
}

Value Encode(const Started& started) {
  return Value::Struct({{"is", Value::String("started")}, {"attempt", Encode(started.attempt)}});
}

Message DecodeStarted(Fields* fields) {
  Started started;
  Decode(fields->Get("attempt"), fields, &started.attempt);
  return started;
}

Value Encode(const Finished& finished) {
  Value out = Value::Struct({{"is", Value::String("finished")},
                             {"attempt", Encode(finished.attempt)},
                             {"figures", EncodeFigures(finished.figures)},
                             {"written", Encode(finished.written)}});
  if (finished.error) out.With("error", Value::String(base::EncodeError(*finished.error)));
  return out;
}

Message DecodeFinished(Fields* fields) {
  Finished finished;
  Decode(fields->Get("attempt"), fields, &finished.attempt);
  if (const Value* figures = fields->Get("figures")) {
    auto decoded = DecodeFigures(*figures);
    fields->Check(decoded.status());
    if (decoded.ok()) finished.figures = *decoded;
  }
  fields->Read("written", &finished.written);
  if (const Value* error = fields->Find("error")) {
    finished.error = base::DecodeError(error->text);
    if (!finished.error) fields->Fail("the field `error` holds no error");
  }
  return finished;
}

Value Encode(const std::vector<Stopping>& stopping) {
  Value list = Value::List();
  for (const Stopping& one : stopping) {
    list.items.push_back(
        Value::Struct({{"attempt", Encode(one.attempt)}, {"for_ms", Value::Integer(one.for_ms)}}));
  }
  return list;
}

void Decode(const Value* value, Fields* outer, std::vector<Stopping>* stopping) {
  if (value == nullptr) return;
  for (const Value& item : value->items) {
    Stopping& one = stopping->emplace_back();
    Fields fields(item, "stopping");
    Decode(fields.Get("attempt"), &fields, &one.attempt);
    fields.Read("for_ms", &one.for_ms);
    outer->Check(fields.Done());
  }
}

Value Encode(const Heartbeat& beat) {
  return Value::Struct({{"is", Value::String("heartbeat")},
                        {"clock_ms", Value::Integer(beat.clock_ms)},
                        {"running", Value::Integer(beat.running)},
                        {"ready", Value::Bool(beat.ready)},
                        {"not_ready_why", Value::String(beat.not_ready_why)},
                        {"draining", Value::Bool(beat.draining)},
                        {"memory_used_bytes", Value::Integer(beat.memory_used_bytes)},
                        {"cache_bytes", Value::Integer(beat.cache_bytes)},
                        {"stopping", Encode(beat.stopping)},
                        {"blocked_streams", Value::Integer(beat.blocked_streams)},
                        {"cache", EncodeCacheFigures(beat.cache)}});
}

Message DecodeHeartbeat(Fields* fields) {
  Heartbeat beat;
  fields->Read("clock_ms", &beat.clock_ms);
  fields->Read("running", &beat.running);
  fields->Read("ready", &beat.ready);
  fields->Read("not_ready_why", &beat.not_ready_why);
  fields->Read("draining", &beat.draining);
  fields->Read("memory_used_bytes", &beat.memory_used_bytes);
  fields->Read("cache_bytes", &beat.cache_bytes);
  Decode(fields->Get("stopping"), fields, &beat.stopping);
  fields->Read("blocked_streams", &beat.blocked_streams);
  if (const Value* cache = fields->Get("cache")) {
    auto decoded = DecodeCacheFigures(*cache);
    fields->Check(decoded.status());
    if (decoded.ok()) beat.cache = *std::move(decoded);
  }
  return beat;
}

Value Encode(const Ping&) { return Value::Struct({{"is", Value::String("ping")}}); }

Value Encode(const Superseded& superseded) {
  return Value::Struct({{"is", Value::String("superseded")},
                        {"epoch", Value::Integer(superseded.epoch)},
                        {"attached", Value::Bool(superseded.attached)}});
}

Message DecodeSuperseded(Fields* fields) {
  Superseded superseded;
  fields->Read("epoch", &superseded.epoch);
  fields->Read("attached", &superseded.attached);
  return superseded;
}

Message DecodePing(Fields*) { return Ping{}; }

constexpr std::array<std::pair<std::string_view, Message (*)(Fields*)>, 6> kMessages = {
    {{"hello", DecodeHello},
     {"started", DecodeStarted},
     {"finished", DecodeFinished},
     {"heartbeat", DecodeHeartbeat},
     {"ping", DecodePing},
     {"superseded", DecodeSuperseded}}};

constexpr std::array<std::pair<std::string_view, Command::Kind>, 4> kCommands = {
    {{"cancel", Command::Kind::kCancel},
     {"clear_cache", Command::Kind::kClearCache},
     {"invalidate", Command::Kind::kInvalidate},
     {"drain", Command::Kind::kDrain}}};

}  // namespace

std::string EncodeMessage(const Message& message) {
  return EncodeJson(
      std::visit([](const auto& alternative) { return Encode(alternative); }, message));
}

arrow::Result<Message> DecodeMessage(std::string_view json) {
  ARROW_ASSIGN_OR_RAISE(const Value body, ParseJson(json));
  Fields fields(body, "message");
  std::string is;
  fields.Read("is", &is);
  ARROW_RETURN_NOT_OK(fields.Done());
  for (const auto& [name, decode] : kMessages) {
    if (name != is) continue;
    Message message = decode(&fields);
    ARROW_RETURN_NOT_OK(fields.Done());
    return message;
  }
  return MakeError(ErrorCode::kInvalidQuery, "message: unknown kind `" + is + "`");
}

std::string SealCommand(const Command& command, const ClusterKey& key) {
  std::string name;
  for (const auto& [known, kind] : kCommands) {
    if (kind == command.kind) name = known;
  }
  const Value body = Value::Struct({{"command", Value::String(name)},
                                    {"worker", Value::String(command.worker_id)},
                                    {"boot", Value::String(command.boot_id)},
                                    {"expires_at_ms", Value::Integer(command.expires_at_ms)},
                                    {"nonce", Value::String(command.nonce)},
                                    {"attempt", Encode(command.attempt)},
                                    {"reason", Value::String(command.reason)},
                                    {"urls", Encode(command.urls)}});
  return Seal(key, kCommandPurpose, EncodeJson(body));
}

arrow::Result<Command> OpenCommand(std::string_view sealed, const ClusterKey& key) {
  ARROW_ASSIGN_OR_RAISE(const std::string json, Unseal(key, kCommandPurpose, sealed));
  ARROW_ASSIGN_OR_RAISE(const Value body, ParseJson(json));
  Command command;
  std::string name;
  Fields fields(body, "command");
  fields.Read("command", &name);
  fields.Read("worker", &command.worker_id);
  fields.Read("boot", &command.boot_id);
  fields.Read("expires_at_ms", &command.expires_at_ms);
  fields.Read("nonce", &command.nonce);
  fields.Read("reason", &command.reason);
  fields.Read("urls", &command.urls);
  Decode(fields.Get("attempt"), &fields, &command.attempt);
  ARROW_RETURN_NOT_OK(fields.Done());
  for (const auto& [known, kind] : kCommands) {
    if (known != name) continue;
    command.kind = kind;
    return command;
  }
  return MakeError(ErrorCode::kInvalidQuery, "command: unknown command `" + name + "`");
}

std::string SealAnnouncement(const Announcement& announcement, const ClusterKey& key) {
  const Value body = Value::Struct({{"worker", Value::String(announcement.worker_id)},
                                    {"boot", Value::String(announcement.boot_id)},
                                    {"location", Value::String(announcement.location)}});
  return Seal(key, kAnnouncementPurpose, EncodeJson(body));
}

arrow::Result<Announcement> OpenAnnouncement(std::string_view sealed, const ClusterKey& key) {
  ARROW_ASSIGN_OR_RAISE(const std::string json, Unseal(key, kAnnouncementPurpose, sealed));
  ARROW_ASSIGN_OR_RAISE(const Value body, ParseJson(json));
  Announcement announcement;
  Fields fields(body, "announcement");
  fields.Read("worker", &announcement.worker_id);
  fields.Read("boot", &announcement.boot_id);
  fields.Read("location", &announcement.location);
  ARROW_RETURN_NOT_OK(fields.Done());
  return announcement;
}

}  // namespace eider::protocol
