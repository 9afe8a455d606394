#include <arrow/buffer.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/error.h"
#include "config/limits.h"
#include "store/answer_error.h"
#include "store/get_plan.h"
#include "store/receivers.h"

namespace eider::store {
namespace {

// Straight from libcurl's buffer into the one that the caller gets.
class GetReceiver final : public Receiver {
 public:
  GetReceiver(GetRequest request, std::shared_ptr<Costs> costs, ObjectStore::GetDone done)
      : request_(std::move(request)), costs_(std::move(costs)), done_(std::move(done)) {}

  void OnSent() override {
    if (costs_ != nullptr) ++costs_->requests;
  }

  bool OnHead(const HttpHead& head) override {
    head_ = head;
    answered_ = true;
    plan_ = PlanGet(request_, head);
    if (plan_.kind == GetPlan::Kind::kNonsense) return false;
    if (plan_.kind != GetPlan::Kind::kFailed && request_.on_first_byte) request_.on_first_byte();
    if (plan_.kind != GetPlan::Kind::kBody) return true;
    auto buffer = arrow::AllocateBuffer(plan_.keep_bytes);
    out_of_memory_ = !buffer.ok();
    if (out_of_memory_) return false;
    bytes_ = *std::move(buffer);
    return true;
  }

  bool OnBody(std::span<const uint8_t> piece) override {
    if (costs_ != nullptr) costs_->bytes += static_cast<int64_t>(piece.size());
    if (plan_.kind == GetPlan::Kind::kBody) return Keep(piece);
    text_.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return static_cast<int64_t>(text_.size()) <= config::kMaxS3ErrorBytes;
  }

  void OnEnd(const ExchangeEnd& end) override { done_(Result(end)); }

 private:
  bool Keep(std::span<const uint8_t> piece) {
    const auto count = static_cast<int64_t>(piece.size());
    const int64_t begin = std::max(received_, plan_.skip_bytes);
    const int64_t end = std::min(received_ + count, plan_.skip_bytes + plan_.keep_bytes);
    if (begin < end) {
      std::memcpy(bytes_->mutable_data() + (begin - plan_.skip_bytes),
                  piece.data() + (begin - received_), static_cast<size_t>(end - begin));
    }
    received_ += count;
    return received_ <= plan_.body_bytes;
  }

  Subject subject() const { return {*request_.access, request_.object.bucket, request_.url}; }

  arrow::Result<GetResult> Result(const ExchangeEnd& end) {
    using Kind = ExchangeEnd::Kind;
    // What the head says holds, however its body ended.
    const bool gave_up = end.kind == Kind::kCancelled || end.kind == Kind::kDeadline;
    if (gave_up || !answered_) return EndError(subject(), end);
    switch (plan_.kind) {
      case GetPlan::Kind::kNonsense:
        return NonsenseError(subject(), plan_.why);
      case GetPlan::Kind::kFailed:
        return AnswerError(subject(), head_, text_);
      case GetPlan::Kind::kNotModified:
        return GetResult{.outcome = GetResult::Outcome::kNotModified};
      case GetPlan::Kind::kChanged:
        return GetResult{.outcome = GetResult::Outcome::kChanged};
      case GetPlan::Kind::kPastEnd:
        return PastEnd();
      case GetPlan::Kind::kBody:
        return Body(end);
    }
    return NonsenseError(subject(), "nothing");
  }

  arrow::Result<GetResult> Body(const ExchangeEnd& end) {
    if (out_of_memory_) {
      return base::MakeError(
          base::ErrorCode::kResourceExhausted,
          "no memory for " + std::to_string(plan_.keep_bytes) + " bytes of `" + request_.url + "`");
    }
    if (received_ > plan_.body_bytes) {
      return NonsenseError(subject(), "its body is longer than the " +
                                          std::to_string(plan_.body_bytes) + " bytes it announced");
    }
    if (end.kind != ExchangeEnd::Kind::kComplete) return EndError(subject(), end);
    if (received_ < plan_.body_bytes) {
      return NonsenseError(subject(), "its body ended after " + std::to_string(received_) +
                                          " of the " + std::to_string(plan_.body_bytes) +
                                          " bytes it announced");
    }
    return GetResult{
        .version = std::move(plan_.version), .offset = plan_.offset, .bytes = std::move(bytes_)};
  }

  arrow::Result<GetResult> PastEnd() {
    Version version = std::move(plan_.version);
    if (version.size < 0) version.size = SizeInError(text_);
    const Range& range = request_.range;
    const bool from_zero = range.kind == Range::Kind::kSuffix || range.offset == 0;
    if (version.size < 0 && from_zero) version.size = 0;  // only an empty object has no first byte
    if (version.size < 0) return NonsenseError(subject(), "it answered 416 and no size");
    if (version.size > (from_zero ? 0 : range.offset)) {
      return NonsenseError(subject(), "it answered 416 for a range inside the object's " +
                                          std::to_string(version.size) + " bytes");
    }
    return GetResult{.version = std::move(version),
                     .offset = from_zero ? 0 : range.offset,
                     .bytes = std::make_shared<arrow::Buffer>(nullptr, 0)};
  }

  GetRequest request_;
  const std::shared_ptr<Costs> costs_;
  const ObjectStore::GetDone done_;
  bool answered_ = false;
  bool out_of_memory_ = false;
  HttpHead head_;
  GetPlan plan_;
  int64_t received_ = 0;
  std::shared_ptr<arrow::Buffer> bytes_;
  std::string text_;  // of an error
};

}  // namespace

std::unique_ptr<Receiver> NewGetReceiver(GetRequest request, std::shared_ptr<Costs> costs,
                                         ObjectStore::GetDone done) {
  return std::make_unique<GetReceiver>(std::move(request), std::move(costs), std::move(done));
}

}  // namespace eider::store
