#include "cmd/event_log.h"

#include <cstdio>

#include "base/error.h"

namespace eider::cmd {
namespace {

using protocol::Value;

Value Decimal(const char* format, double number) {
  char text[64];
  std::snprintf(text, sizeof(text), format, number);
  Value value;
  value.kind = Value::Kind::kDouble;
  value.text = text;
  return value;
}

Value Milliseconds(int64_t us) { return Decimal("%.3f", static_cast<double>(us) / 1e3); }
Value Dollars(int64_t nanousd) { return Decimal("%.9f", static_cast<double>(nanousd) / 1e9); }

void AddFigures(const protocol::Figures& figures, Value* fields) {
  fields->With("rows", Value::Integer(figures.rows));
  fields->With("run_ms", Milliseconds(figures.run_us));
  fields->With("s3_requests", Value::Integer(figures.s3_requests));
  fields->With("s3_bytes", Value::Integer(figures.s3_bytes));
  fields->With("cache_bytes", Value::Integer(figures.cache_bytes));
  fields->With("cache_hits", Value::Integer(figures.cache_hits));
  fields->With("cache_misses", Value::Integer(figures.cache_misses));
  fields->With("cost_usd", Dollars(figures.cost_nanousd));
}

void AddOutcome(const std::optional<base::ErrorInfo>& error, Value* fields) {
  fields->With("outcome", Value::String(error ? std::string(base::ErrorName(error->code)) : "OK"));
}

}  // namespace

Value TaskEndFields(const protocol::Finished& finished) {
  Value fields = Value::Struct();
  fields.With("task", Value::String(finished.attempt.task_id));
  fields.With("attempt", Value::Integer(finished.attempt.attempt));
  AddOutcome(finished.error, &fields);
  AddFigures(finished.figures, &fields);
  return fields;
}

Value QueryEndFields(const coordinator::QueryRecord& record) {
  Value fields = Value::Struct();
  fields.With("query", Value::String(record.id));
  AddOutcome(record.error, &fields);
  if (!record.attempts.empty()) {
    const auto& attempt = record.attempts.back();
    fields.With("worker", Value::String(attempt.worker_id));
    fields.With("reason", Value::String(attempt.reason));
    fields.With("attempt", Value::Integer(attempt.attempt));
    fields.With("queue_ms", Value::Integer(record.queue_ms));
  }
  // One that no worker took has none.
  if (record.reported && !record.attempts.empty()) AddFigures(record.figures, &fields);
  return fields;
}

}  // namespace eider::cmd
