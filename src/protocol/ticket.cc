#include "protocol/ticket.h"

#include "base/error.h"
#include "protocol/fields.h"

namespace eider::protocol {
namespace {

constexpr std::string_view kPurpose = "ticket";

arrow::Result<Ticket> Decode(const std::string& json) {
  ARROW_ASSIGN_OR_RAISE(const Value body, ParseJson(json));
  Ticket ticket;
  Fields fields(body, "ticket");
  fields.Read("task", &ticket.attempt.task_id);
  fields.Read("attempt", &ticket.attempt.attempt);
  fields.Read("query", &ticket.query_id);
  fields.Read("worker", &ticket.worker_id);
  fields.Read("boot", &ticket.boot_id);
  fields.Read("expires_at_ms", &ticket.expires_at_ms);
  fields.Read("sql", &ticket.sql);
  fields.Read("write", &ticket.write);
  fields.Read("timeout_ms", &ticket.timeout_ms);
  fields.Read("trace", &ticket.trace_id);
  std::string mode;
  fields.Read("cache", &mode);
  const Value* arguments = fields.Get("args");
  ARROW_RETURN_NOT_OK(fields.Done());
  ARROW_ASSIGN_OR_RAISE(ticket.cache_mode, ParseCacheMode(mode));
  ARROW_ASSIGN_OR_RAISE(ticket.arguments, DecodeArguments(*arguments));
  return ticket;
}

}  // namespace

std::string SealTicket(const Ticket& ticket, const ClusterKey& key) {
  const Value body = Value::Struct({
      {"task", Value::String(ticket.attempt.task_id)},
      {"attempt", Value::Integer(ticket.attempt.attempt)},
      {"query", Value::String(ticket.query_id)},
      {"worker", Value::String(ticket.worker_id)},
      {"boot", Value::String(ticket.boot_id)},
      {"expires_at_ms", Value::Integer(ticket.expires_at_ms)},
      {"sql", Value::String(ticket.sql)},
      {"args", EncodeArguments(ticket.arguments)},
      {"cache", Value::String(std::string(CacheModeName(ticket.cache_mode)))},
      {"write", Value::Bool(ticket.write)},
      {"timeout_ms", Value::Integer(ticket.timeout_ms)},
      {"trace", Value::String(ticket.trace_id)},
  });
  return Seal(key, kPurpose, EncodeJson(body));
}

arrow::Result<Ticket> OpenTicket(std::string_view sealed, const ClusterKey& key) {
  ARROW_ASSIGN_OR_RAISE(const std::string json, Unseal(key, kPurpose, sealed));
  auto ticket = Decode(json);
  if (ticket.ok()) return ticket;
  return base::MakeError(base::ErrorCode::kPermissionDenied,
                         "this is no ticket of this version: " + ticket.status().message());
}

}  // namespace eider::protocol
