#include "cmd/explain_view.h"

#include <cmath>
#include <cstdlib>

#include "cmd/table.h"

namespace eider::cmd {
namespace {

using protocol::Value;

std::string Text(const Value& object, std::string_view name) {
  const Value* field = object.Find(name);
  return field == nullptr ? "" : field->text;
}

bool Flag(const Value& object, std::string_view name) {
  const Value* field = object.Find(name);
  return field != nullptr && field->boolean;
}

// Small times with a digit after the point; `none` where there is no number.
std::string Millis(const Value& object, std::string_view name, const std::string& none) {
  const std::string text = Text(object, name);
  if (text.empty()) return none;
  const double ms = std::strtod(text.c_str(), nullptr);
  if (ms >= 10 || ms == std::floor(ms)) return GroupDigits(std::llround(ms));
  const std::string tenths = std::to_string(std::llround(ms * 10));
  return (tenths.size() > 1 ? tenths.substr(0, tenths.size() - 1) : "0") + "." + tenths.back();
}

std::string Choice(const Value& route) {
  const std::string worker = Text(route, "worker");
  const std::string reason = Text(route, "reason");
  if (worker.empty()) return "no worker would take it: " + reason;
  if (Flag(route, "waits")) return "it would wait in the line of " + worker + ": " + reason;
  return worker + " would run it at once: " + reason;
}

std::string Key(const Value& route) {
  const std::string key = Text(route, "key");
  if (key.empty()) return "key: none, as it names no file: any worker will do";
  return "key: " + key + (Flag(route, "hot") ? " (hot: it has one home more)" : "");
}

Table WorkerTable(const Value& route) {
  Table table;
  table.columns = {{"rank", "", true},     {"worker", "", false}, {"home", "", false},
                   {"slots", "", true},    {"line", "", true},    {"load ms", "", true},
                   {"bound ms", "", true}, {"why not", "", false}};
  const Value* workers = route.Find("workers");
  if (workers == nullptr) return table;
  const std::string chosen = Text(route, "worker");
  for (const Value& worker : workers->items) {
    const std::string id = Text(worker, "id");
    table.rows.push_back({Text(worker, "rank"), id, Flag(worker, "home") ? "home" : "",
                          Text(worker, "occupied") + "/" + Text(worker, "slots"),
                          Text(worker, "waiting"), Millis(worker, "load_ms", "-"),
                          Millis(worker, "bound_ms", "none"),
                          id == chosen ? "it is this one" : Text(worker, "passed_over")});
  }
  return table;
}

}  // namespace

std::string ExplainText(const Value& route, int max_width) {
  std::string out = Choice(route) + "\n" + Key(route) + "\n";
  out += "expected to take " + Millis(route, "cost_ms", "-") + " ms, cache mode " +
         Text(route, "cache_mode") + ", may be stolen after waiting " +
         Millis(route, "steal_after_ms", "-") + " ms\n";
  if (const Value* held_back = route.Find("held_back")) {
    for (const Value& worker : held_back->items) {
      out += "held back: " + Text(worker, "id") + ", as " + Text(worker, "why") + "\n";
    }
  }
  const Table workers = WorkerTable(route);
  return workers.rows.empty() ? out : out + DrawTable(workers, max_width);
}

}  // namespace eider::cmd
