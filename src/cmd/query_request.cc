#include "cmd/query_request.h"

#include <algorithm>
#include <cctype>
#include <iostream>
#include <iterator>
#include <optional>
#include <utility>

#include "protocol/value.h"

namespace eider::cmd {
namespace {

using protocol::Value;

Value ParseParameter(const std::string& text) {
  auto value = protocol::ParseJson(text);
  return value.ok() ? *std::move(value) : Value::String(text);
}

// Where the name ends in NAME=VALUE.
std::optional<size_t> NameEnd(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return std::nullopt;
  const auto in_name = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  const bool is_name =
      std::isdigit(static_cast<unsigned char>(text[0])) == 0 &&
      std::all_of(text.begin(), text.begin() + static_cast<ptrdiff_t>(equals), in_name);
  return is_name ? std::optional(equals) : std::nullopt;
}

arrow::Result<Value> MakeArguments(const std::vector<std::string>& params) {
  Value positional = Value::List();
  Value named = Value::Struct();
  for (const std::string& param : params) {
    const auto name_end = NameEnd(param);
    if (!name_end) {
      positional.items.push_back(ParseParameter(param));
      continue;
    }
    const std::string name = param.substr(0, *name_end);
    if (named.Find(name) != nullptr) {
      return arrow::Status::Invalid("--param ", name, "= is given twice");
    }
    named.With(name, ParseParameter(param.substr(*name_end + 1)));
  }
  if (!positional.items.empty() && !named.items.empty()) {
    return arrow::Status::Invalid(
        "--param gives both positional values and NAME=VALUE: use one of the two (a text with '=' "
        "in it is positional as JSON: '\"a=b\"')");
  }
  return named.items.empty() ? positional : named;
}

arrow::Result<Value> MakeRequest(const config::QueryOptions& options, const std::string& sql) {
  Value request = Value::Struct();
  request.With("query", Value::String(sql));
  if (!options.params.empty()) {
    ARROW_ASSIGN_OR_RAISE(Value arguments, MakeArguments(options.params));
    request.With("args", std::move(arguments));
  }
  if (options.cache_mode != "use") request.With("cache", Value::String(options.cache_mode));
  if (options.timeout_ms > 0) request.With("timeout_ms", Value::Integer(options.timeout_ms));
  return request;
}

}  // namespace

arrow::Result<std::string> EncodeQueryRequest(const config::QueryOptions& options,
                                              const std::string& sql) {
  ARROW_ASSIGN_OR_RAISE(const Value request, MakeRequest(options, sql));
  return protocol::EncodeJson(request);
}

arrow::Result<std::string> EncodeExplainRequest(const config::QueryOptions& options,
                                                const std::string& sql) {
  ARROW_ASSIGN_OR_RAISE(Value request, MakeRequest(options, sql));
  if (options.write) request.With("write", Value::Bool(true));
  return protocol::EncodeJson(request);
}

std::string ReadSql(const std::string& argument) {
  if (argument != "-") return argument;
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

}  // namespace eider::cmd
