#include "cmd/logging.h"

#include <spdlog/details/log_msg.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <utility>

#include "protocol/value.h"

namespace eider::cmd {
namespace {

using protocol::Value;

// The event that this thread is logging: formatters run in the thread that logs.
struct Event {
  const std::string& name;
  const Value& fields;
};
thread_local const Event* current_event = nullptr;

bool NeedsQuotes(const std::string& text) {
  return text.empty() || text.find_first_of(" =\"\n\t") != std::string::npos;
}

std::string FieldsText(const Value& fields) {
  std::string text;
  for (size_t i = 0; i < fields.items.size(); ++i) {
    const Value& value = fields.items[i];
    const bool quoted = value.kind == Value::Kind::kString && NeedsQuotes(value.text);
    text += (i == 0 ? "" : " ") + fields.names[i] + "=" +
            (quoted ? protocol::EncodeJson(value) : value.text);
  }
  return text;
}

// {"time":"2025-05-01T12:00:00.123Z","level":"info","process":"worker","message":"..."}
class JsonFormatter final : public spdlog::formatter {
 public:
  explicit JsonFormatter(std::string process) : process_(std::move(process)) {}

  void format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& out) override {
    const auto since_epoch = line.time.time_since_epoch();
    const std::time_t seconds = std::chrono::system_clock::to_time_t(line.time);
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count() % 1000;
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    char time[96];
    std::snprintf(time, sizeof(time), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900,
                  utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                  static_cast<int>(ms));
    const auto level = spdlog::level::to_string_view(line.level);
    const Event* const event = current_event;
    Value object = Value::Struct(
        {{"time", Value::String(time)},
         {"level", Value::String({level.data(), level.size()})},
         {"process", Value::String(process_)},
         {"message", Value::String(event != nullptr
                                       ? event->name
                                       : std::string(line.payload.data(), line.payload.size()))}});
    for (size_t i = 0; event != nullptr && i < event->fields.items.size(); ++i) {
      object.With(event->fields.names[i], event->fields.items[i]);
    }
    const std::string text = protocol::EncodeJson(object) + "\n";
    out.append(text.data(), text.data() + text.size());
  }

  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>(process_);
  }

 private:
  const std::string process_;
};

spdlog::level::level_enum LevelOf(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::kDebug:
      return spdlog::level::debug;
    case config::LogLevel::kInfo:
      return spdlog::level::info;
    case config::LogLevel::kWarn:
      return spdlog::level::warn;
    case config::LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

void StartLogging(const config::LogOptions& options, const std::string& process) {
  auto logger =
      std::make_shared<spdlog::logger>(process, std::make_shared<spdlog::sinks::stderr_sink_mt>());
  if (options.format == config::LogFormat::kJson) {
    logger->set_formatter(std::make_unique<JsonFormatter>(process));
  } else {
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %L %n: %v");
  }
  logger->set_level(LevelOf(options.level));
  spdlog::set_default_logger(std::move(logger));
}

void LogEvent(const std::string& event, const protocol::Value& fields) {
  if (!spdlog::should_log(spdlog::level::info)) return;
  const Event current{event, fields};
  current_event = &current;
  spdlog::info("{}: {}", event, FieldsText(fields));
  current_event = nullptr;
}

}  // namespace eider::cmd
