#include "store/bucket_regions.h"

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "store/answer_error.h"

namespace eider::store {
namespace {

std::string KeyOf(const std::string& endpoint, const std::string& bucket) {
  return endpoint + "/" + bucket;
}

// What a refusal by a wrong region comes with.
bool MayNameRegion(int status) {
  return (status >= 300 && status < 400 && status != 304) || status == 400 || status == 403;
}

class RegionReceiver final : public Receiver {
 public:
  RegionReceiver(std::string region, Redirect redirect, std::unique_ptr<Receiver> receiver)
      : region_(std::move(region)),
        redirect_(std::move(redirect)),
        receiver_(std::move(receiver)) {}

  void OnSent() override { receiver_->OnSent(); }

  bool OnHead(const HttpHead& head) override {
    if (!MayNameRegion(head.status)) return receiver_->OnHead(head);
    refusal_ = head;
    return true;
  }

  bool OnBody(std::span<const uint8_t> piece) override {
    if (!refusal_) return receiver_->OnBody(piece);
    text_.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return static_cast<int64_t>(text_.size()) <= config::kMaxS3ErrorBytes;
  }

  void OnEnd(const ExchangeEnd& end) override {
    if (!refusal_) return receiver_->OnEnd(end);
    if (end.kind == ExchangeEnd::Kind::kComplete) {
      const std::string told = RegionInRefusal(*refusal_, text_);
      if (!told.empty() && told != region_ && redirect_(told, receiver_)) return;
    }
    Replay(end);
  }

 private:
  // The refusal is the answer.
  void Replay(const ExchangeEnd& end) {
    const bool wanted =
        receiver_->OnHead(*refusal_) &&
        receiver_->OnBody({reinterpret_cast<const uint8_t*>(text_.data()), text_.size()});
    receiver_->OnEnd(wanted ? end : ExchangeEnd{.kind = ExchangeEnd::Kind::kRefused});
  }

  const std::string region_;
  const Redirect redirect_;
  std::unique_ptr<Receiver> receiver_;
  std::optional<HttpHead> refusal_;
  std::string text_;
};

}  // namespace

std::string EndpointIn(const std::string& endpoint, std::string_view from, std::string_view to) {
  constexpr std::string_view kGlobal = "s3.amazonaws.com";
  if (endpoint == kGlobal) return "s3." + std::string(to) + ".amazonaws.com";
  const bool aws = endpoint.ends_with(".amazonaws.com") || endpoint.ends_with(".amazonaws.com.cn");
  const std::string label = "." + std::string(from) + ".";
  const size_t at = endpoint.find(label);
  if (!aws || at == std::string::npos) return endpoint;
  std::string moved = endpoint;
  return moved.replace(at + 1, from.size(), to);
}

void BucketRegions::Learn(const std::string& endpoint, const std::string& bucket,
                          std::string region) {
  std::string key = KeyOf(endpoint, bucket);
  const base::MutexLock lock(mutex_);
  if (!regions_.contains(key)) {
    if (order_.size() >= max_buckets_) {
      regions_.erase(order_.front());
      order_.pop_front();
    }
    order_.push_back(key);
  }
  regions_[std::move(key)] = std::move(region);
}

HttpRequest BucketRegions::Route(HttpRequest request, const std::string& bucket) const {
  std::string region;
  {
    const base::MutexLock lock(mutex_);
    if (regions_.empty()) return request;
    const auto known = regions_.find(KeyOf(request.access->endpoint, bucket));
    if (known == regions_.end()) return request;
    region = known->second;
  }
  auto access = std::make_shared<Access>(*request.access);
  access->endpoint = EndpointIn(access->endpoint, access->region, region);
  access->region = std::move(region);
  // The endpoint stands in the URL's host, behind the bucket's name where that is there.
  const size_t host = request.url.find("://") + 3;
  const size_t path = request.url.find('/', host);
  const size_t old_size = request.access->endpoint.size();
  request.url.replace(path - old_size, old_size, access->endpoint);
  request.access = std::move(access);
  return request;
}

std::unique_ptr<Receiver> NewRegionReceiver(std::string region, Redirect redirect,
                                            std::unique_ptr<Receiver> receiver) {
  return std::make_unique<RegionReceiver>(std::move(region), std::move(redirect),
                                          std::move(receiver));
}

}  // namespace eider::store
