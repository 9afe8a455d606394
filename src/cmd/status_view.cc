#include "cmd/status_view.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <vector>

#include "cmd/table.h"
#include "config/quantity.h"

namespace eider::cmd {
namespace {

using protocol::Value;

constexpr size_t kEndedShown = 10;

std::string Text(const Value& object, std::string_view name) {
  const Value* field = object.Find(name);
  if (field == nullptr || field->text.empty()) return "-";
  return field->text;
}

// Rounded to a whole number: some times come with fractions of a millisecond.
std::optional<int64_t> Number(const Value& object, std::string_view name) {
  const Value* field = object.Find(name);
  if (field == nullptr) return std::nullopt;
  const bool is_number =
      field->kind == Value::Kind::kInteger || field->kind == Value::Kind::kDouble;
  return is_number ? std::optional<int64_t>(std::llround(std::strtod(field->text.c_str(), nullptr)))
                   : std::nullopt;
}

std::string Bytes(const Value& object, std::string_view name) {
  const auto bytes = Number(object, name);
  return bytes ? config::FormatBytes(*bytes) : "-";
}

std::string Grouped(const Value& object, std::string_view name) {
  const auto number = Number(object, name);
  return number ? GroupDigits(*number) : "-";
}

std::string Ago(const Value& object, std::string_view name, int64_t now_ms) {
  const auto then_ms = Number(object, name);
  if (!then_ms) return "-";
  const int64_t s = std::max<int64_t>(0, now_ms - *then_ms) / 1000;
  if (s < 60) return std::to_string(s) + "s";
  if (s < 3600) return std::to_string(s / 60) + "m";
  return std::to_string(s / 3600) + "h";
}

const std::vector<Value>& Items(const Value& object, std::string_view name) {
  static const std::vector<Value> none;
  const Value* list = object.Find(name);
  return list == nullptr ? none : list->items;
}

std::string WorkerState(const Value& worker) {
  std::string state = Text(worker, "state");
  const int64_t stopping = Number(worker, "stopping").value_or(0);
  const int64_t blocked = Number(worker, "blocked_streams").value_or(0);
  if (stopping > 0) state += ", " + std::to_string(stopping) + " stopping";
  if (blocked > 0) state += ", " + std::to_string(blocked) + " blocked by clients that do not read";
  const Value* ready = worker.Find("ready");
  if (Text(worker, "state") != "up") return state;
  if (ready != nullptr && !ready->boolean) {
    return state + ", not ready: " + Text(worker, "not_ready_why");
  }
  const Value* slow = worker.Find("slow");
  if (slow != nullptr && slow->boolean) state += ", slow: one query at a time until it keeps up";
  const std::string held_back = Text(worker, "held_back");
  return held_back == "-" ? state : state + ", held back: " + held_back;
}

// "1.0 GiB of 10.0 GiB, 93% hits"; what the engine holds in memory where there is no disk cache.
std::string Cache(const Value& worker) {
  const Value* cache = worker.Find("cache");
  if (cache == nullptr) return Bytes(worker, "cache_bytes");
  const int64_t budget = Number(*cache, "budget_bytes").value_or(0);
  std::string text = budget > 0 ? Bytes(*cache, "used_bytes") + " of " + config::FormatBytes(budget)
                                : Bytes(worker, "cache_bytes");
  const int64_t hits = Number(*cache, "hits").value_or(0);
  const int64_t reads = hits + Number(*cache, "misses").value_or(0);
  if (reads > 0) text += ", " + std::to_string(100 * hits / reads) + "% hits";
  const std::string disabled = Text(*cache, "disabled_why");
  return disabled == "-" ? text : text + ", off: " + disabled;
}

Table WorkerTable(const Value& answer) {
  Table table;
  table.columns = {{"worker", "", false}, {"location", "", false}, {"state", "", false},
                   {"slots", "", true},   {"line", "", true},      {"load ms", "", true},
                   {"threads", "", true}, {"memory", "", true},    {"cache", "", true},
                   {"version", "", false}};
  for (const Value& worker : Items(answer, "workers")) {
    table.rows.push_back(
        {Text(worker, "id"), Text(worker, "location"), WorkerState(worker),
         Text(worker, "occupied") + "/" + Text(worker, "slots"), Text(worker, "waiting"),
         Grouped(worker, "load_ms"), Text(worker, "threads"),
         Bytes(worker, "memory_used_bytes") + " of " + Bytes(worker, "memory_limit_bytes"),
         Cache(worker), Text(worker, "version")});
  }
  return table;
}

// It was told to stop, its client has gone or has its answer; but it still has its slot.
bool Stopping(const Value& query) { return Number(query, "stopping_ms").has_value(); }

bool Ended(const Value& query) {
  if (Stopping(query)) return false;
  const std::string state = Text(query, "state");
  return state == "finished" || state == "failed";
}

std::string QueryState(const Value& query) {
  if (Stopping(query)) {
    return "cancelling for " + std::to_string(*Number(query, "stopping_ms") / 1000) + " s";
  }
  const Value* error = query.Find("error");
  const bool failed = error != nullptr && error->kind == Value::Kind::kStruct;
  return failed ? "failed: " + Text(*error, "code") : Text(query, "state");
}

// What runs and waits, all of it; and the last few that have ended.
Table QueryTable(const Value& answer, int64_t now_ms) {
  Table table;
  table.columns = {{"query", "", false},  {"state", "", false},     {"since", "", true},
                   {"worker", "", false}, {"why there", "", false}, {"queued ms", "", true},
                   {"run ms", "", true},  {"rows", "", true},       {"sql", "", false}};
  size_t ended = 0;
  for (const bool want_ended : {false, true}) {
    for (const Value& query : Items(answer, "queries")) {
      if (Ended(query) != want_ended || (want_ended && ++ended > kEndedShown)) continue;
      table.rows.push_back({Text(query, "id"), QueryState(query),
                            Ago(query, "submitted_at_ms", now_ms), Text(query, "worker"),
                            Text(query, "reason"), Grouped(query, "queue_ms"),
                            Grouped(query, "run_ms"), Grouped(query, "rows"), Text(query, "sql")});
    }
  }
  return table;
}

// A line for each query that keeps its slot for nobody.
std::string StoppingNotes(const Value& answer) {
  std::string notes;
  for (const Value& query : Items(answer, "queries")) {
    if (!Stopping(query)) continue;
    notes += "query " + Text(query, "id") + " on " + Text(query, "worker") + ": " +
             QueryState(query) + ": DuckDB is in a call that cannot be interrupted\n";
  }
  return notes;
}

int64_t Sum(const Value& answer, std::string_view field) {
  int64_t sum = 0;
  for (const Value& worker : Items(answer, "workers")) sum += Number(worker, field).value_or(0);
  return sum;
}

}  // namespace

std::string StatusText(const protocol::Value& workers, const protocol::Value& queries,
                       int64_t now_ms, int max_width) {
  const auto& items = Items(workers, "workers");
  const auto up = std::count_if(items.begin(), items.end(),
                                [](const Value& worker) { return Text(worker, "state") == "up"; });
  std::string out = std::to_string(items.size()) +
                    (items.size() == 1 ? " worker, " : " workers, ") + std::to_string(up) +
                    " up; " + std::to_string(Sum(workers, "occupied")) + " of " +
                    std::to_string(Sum(workers, "slots")) + " slots taken; " +
                    std::to_string(Sum(workers, "waiting")) + " waiting\n";
  out += StoppingNotes(queries);
  if (!items.empty()) out += DrawTable(WorkerTable(workers), max_width);
  const Table running = QueryTable(queries, now_ms);
  if (running.rows.empty()) return out + "no queries yet\n";
  return out + DrawTable(running, max_width);
}

}  // namespace eider::cmd
