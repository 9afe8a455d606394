// eider cache ls|stats|verify|clear DIR
#include <cstdio>

#include "base/error.h"
#include "cache/directory.h"
#include "cache/inspection.h"
#include "cmd/cache_view.h"
#include "cmd/command.h"
#include "cmd/table.h"
#include "cmd/terminal.h"
#include "config/load.h"

namespace eider::cmd {
namespace {

constexpr auto kCommand = config::Command::kCache;

void Print(bool json, const std::string& text, const protocol::Value& value) {
  std::fputs(json ? (protocol::EncodeJson(value) + "\n").c_str() : text.c_str(), stdout);
}

arrow::Result<int> Run(const config::CacheOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const std::string dir, cache::FindCacheDirectory(options.dir));
  switch (options.action) {
    case config::CacheAction::kList: {
      ARROW_ASSIGN_OR_RAISE(const auto objects, cache::ListObjects(dir));
      Print(options.json, ObjectsText(objects, TerminalWidth()), ObjectsValue(objects));
      return kDone;
    }
    case config::CacheAction::kStats: {
      ARROW_ASSIGN_OR_RAISE(const auto stats, cache::ReadStats(dir));
      Print(options.json, StatsText(stats), StatsValue(stats));
      return kDone;
    }
    case config::CacheAction::kVerify: {
      ARROW_ASSIGN_OR_RAISE(const auto result, cache::VerifyDirectory(dir));
      Print(options.json, VerificationText(result), VerificationValue(result));
      return result.good() ? kDone : kFailed;
    }
    case config::CacheAction::kClear: {
      ARROW_ASSIGN_OR_RAISE(const int64_t blocks, cache::ClearDirectory(dir));
      Print(options.json, "cleared " + GroupDigits(blocks) + " blocks of " + dir + "\n",
            protocol::Value::Struct({{"cleared_blocks", protocol::Value::Integer(blocks)}}));
      return kDone;
    }
  }
  return kCannotStart;
}

}  // namespace

int RunCache(const Invocation& invocation) {
  const auto told =
      config::Read(kCommand, invocation.tokens, invocation.environment, invocation.machine);
  if (!told.ok()) return Refuse(kCommand, told.status());
  const auto options = config::MakeCacheOptions(*told);
  if (!options.ok()) return Refuse(kCommand, options.status());
  const auto done = Run(*options);
  if (done.ok()) return *done;
  return Report(done.status());
}

}  // namespace eider::cmd
