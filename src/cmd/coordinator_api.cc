#include "cmd/coordinator_api.h"

#include "rpc/http/client.h"

namespace eider::cmd {
namespace {

constexpr int64_t kTimeoutMs = 5'000;

arrow::Result<protocol::Value> Parsed(const arrow::Result<rpc::HttpClient::Response>& answer) {
  if (!answer.ok()) return WithHint(answer.status());
  if (answer->status != 200) return base::MakeError(ErrorOfAnswer(answer->status, answer->body));
  return protocol::ParseJson(answer->body);
}

}  // namespace

base::ErrorInfo ErrorOfAnswer(int status, const std::string& body) {
  if (auto error = base::DecodeError(body)) return *std::move(error);
  base::ErrorInfo error;
  error.message = "the coordinator answers HTTP " + std::to_string(status) +
                  " without saying why: is it an Eider coordinator?";
  return error;
}

arrow::Status WithHint(const arrow::Status& failed) {
  if (!failed.IsIOError() || failed.detail() != nullptr) return failed;
  return arrow::Status::IOError(failed.message(),
                                "; is a coordinator running there? `eider up` starts one on this "
                                "machine, --url names another");
}

arrow::Result<protocol::Value> GetJson(const std::string& url, const std::string& path) {
  return Parsed(rpc::Fetch("GET", url + path, {}, "", kTimeoutMs));
}

arrow::Result<protocol::Value> PostJson(const std::string& url, const std::string& path,
                                        const std::string& body) {
  return Parsed(
      rpc::Fetch("POST", url + path, {{"Content-Type", "application/json"}}, body, kTimeoutMs));
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
