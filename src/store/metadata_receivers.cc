#include <string>
#include <utility>

#include "config/limits.h"
#include "store/answer_error.h"
#include "store/get_plan.h"
#include "store/list_answer.h"
#include "store/receivers.h"

namespace eider::store {
namespace {

// Collects the body, up to a limit.
class TextReceiver : public Receiver {
 public:
  explicit TextReceiver(std::shared_ptr<Costs> costs) : costs_(std::move(costs)) {}

  void OnSent() override {
    if (costs_ != nullptr) ++costs_->requests;
  }
  bool OnHead(const HttpHead& head) override {
    head_ = head;
    answered_ = true;
    return true;
  }
  bool OnBody(std::span<const uint8_t> piece) override {
    if (costs_ != nullptr) costs_->bytes += static_cast<int64_t>(piece.size());
    text_.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return static_cast<int64_t>(text_.size()) <= config::kMaxS3ListBytes;
  }

 protected:
  Costs* costs() { return costs_.get(); }
  const HttpHead& head() const { return head_; }
  const std::string& text() const { return text_; }

  // OK where there is a whole answer of 200.
  arrow::Status Check(const Subject& subject, const ExchangeEnd& end) const {
    using Kind = ExchangeEnd::Kind;
    const bool gave_up = end.kind == Kind::kCancelled || end.kind == Kind::kDeadline;
    if (gave_up || !answered_) return EndError(subject, end);
    if (head_.status != 200) return AnswerError(subject, head_, text_);
    if (end.kind == Kind::kRefused) return NonsenseError(subject, "it is too long");
    return end.kind == Kind::kComplete ? arrow::Status::OK() : EndError(subject, end);
  }

 private:
  const std::shared_ptr<Costs> costs_;
  bool answered_ = false;
  HttpHead head_;
  std::string text_;
};

class StatReceiver final : public TextReceiver {
 public:
  StatReceiver(GetRequest request, std::shared_ptr<Costs> costs,
               std::function<void(arrow::Result<Version>)> done)
      : TextReceiver(std::move(costs)), request_(std::move(request)), done_(std::move(done)) {}

  void OnEnd(const ExchangeEnd& end) override { done_(Result(end)); }

 private:
  arrow::Result<Version> Result(const ExchangeEnd& end) const {
    const Subject subject{*request_.access, request_.object.bucket, request_.url};
    ARROW_RETURN_NOT_OK(Check(subject, end));
    const auto size = ParseByteCount(head().Find("content-length"));
    if (!size) return NonsenseError(subject, "a HEAD without the object's size");
    return VersionOf(head(), *size);
  }

  const GetRequest request_;
  const std::function<void(arrow::Result<Version>)> done_;
};

class ListReceiver final : public TextReceiver {
 public:
  ListReceiver(ListRequest request, std::shared_ptr<Costs> costs,
               std::function<void(arrow::Result<ListPage>)> done)
      : TextReceiver(std::move(costs)), request_(std::move(request)), done_(std::move(done)) {}

  void OnSent() override {
    TextReceiver::OnSent();
    if (costs() != nullptr) ++costs()->list_requests;
  }
  void OnEnd(const ExchangeEnd& end) override { done_(Result(end)); }

 private:
  arrow::Result<ListPage> Result(const ExchangeEnd& end) const {
    const Subject subject{*request_.access, request_.bucket, request_.url};
    ARROW_RETURN_NOT_OK(Check(subject, end));
    auto page = ParseListAnswer(text());
    if (!page.ok()) return NonsenseError(subject, page.status().message());
    return page;
  }

  const ListRequest request_;
  const std::function<void(arrow::Result<ListPage>)> done_;
};

}  // namespace

std::unique_ptr<Receiver> NewStatReceiver(GetRequest request, std::shared_ptr<Costs> costs,
                                          std::function<void(arrow::Result<Version>)> done) {
  return std::make_unique<StatReceiver>(std::move(request), std::move(costs), std::move(done));
}

std::unique_ptr<Receiver> NewListReceiver(ListRequest request, std::shared_ptr<Costs> costs,
                                          std::function<void(arrow::Result<ListPage>)> done) {
  return std::make_unique<ListReceiver>(std::move(request), std::move(costs), std::move(done));
}

}  // namespace eider::store
