#include "cmd/coordinator_api.h"

#include "rpc/http/client.h"

namespace eider::cmd {
namespace {

constexpr int64_t kTimeoutMs = 5'000;

}  // namespace

base::ErrorInfo ErrorOfAnswer(int status, const std::string& body) {
  if (auto error = base::DecodeError(body)) return *std::move(error);
  base::ErrorInfo error;
  error.message = "the coordinator answers HTTP " + std::to_string(status) +
                  " without saying why: is it an Eider coordinator?";
  return error;
}

arrow::Result<protocol::Value> GetJson(const std::string& url, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const auto answer, rpc::Fetch("GET", url + path, {}, "", kTimeoutMs));
  if (answer.status != 200) return base::MakeError(ErrorOfAnswer(answer.status, answer.body));
  return protocol::ParseJson(answer.body);
}

arrow::Result<protocol::Value> PostJson(const std::string& url, const std::string& path,
                                        const std::string& body) {
  ARROW_ASSIGN_OR_RAISE(
      const auto answer,
      rpc::Fetch("POST", url + path, {{"Content-Type", "application/json"}}, body, kTimeoutMs));
  if (answer.status != 200) return base::MakeError(ErrorOfAnswer(answer.status, answer.body));
  return protocol::ParseJson(answer.body);
}

std::optional<protocol::Value> FindQuery(const std::string& url, const std::string& client) {
  const auto answer = GetJson(url, "/v1/queries");
  const protocol::Value* queries = answer.ok() ? answer->Find("queries") : nullptr;
  if (queries == nullptr) return std::nullopt;
  for (const protocol::Value& query : queries->items) {
    const protocol::Value* owner = query.Find("client");
    if (owner != nullptr && owner->text == client) return query;
  }
  return std::nullopt;
}

void CancelQuery(const std::string& url, const std::string& client) {
  const auto query = FindQuery(url, client);
  const protocol::Value* id = query ? query->Find("id") : nullptr;
  if (id == nullptr) return;
  // Whether it came too late does not matter any more.
  (void)rpc::Fetch("DELETE", url + "/v1/queries/" + id->text, {}, "", kTimeoutMs);
}

}  // namespace eider::cmd
