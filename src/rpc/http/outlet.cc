#include "rpc/http/outlet.h"

#include <string_view>
#include <utility>

#include "base/error.h"

namespace eider::rpc {

using base::ErrorCode;
using base::MakeError;
using base::MutexLock;

arrow::Status Outlet::Gone() {
  return MakeError(ErrorCode::kCancelled, "the client is gone, or has its answer already");
}

arrow::Status Outlet::Begin(const coordinator::ClaimInfo& claim) {
  MutexLock lock(mutex_);
  if (over()) return Gone();
  claim_ = claim;
  return arrow::Status::OK();
}

int64_t Outlet::figures_wait_ms() const {
  MutexLock lock(mutex_);
  return over() ? 0 : figures_wait_ms_;
}

void Outlet::Report(const protocol::Figures& figures) {
  MutexLock lock(mutex_);
  figures_ = figures;
}

std::optional<protocol::Figures> Outlet::figures() const {
  MutexLock lock(mutex_);
  return figures_;
}

void Outlet::End() {
  MutexLock lock(mutex_);
  if (over()) return;
  ended_ = true;
  WakeUp();
}

void Outlet::Fail(const arrow::Status& why) {
  MutexLock lock(mutex_);
  if (over()) return;
  failure_ = why;
  room_.NotifyAll();
  WakeUp();
}

bool Outlet::failed() const {
  MutexLock lock(mutex_);
  return failure_.has_value();
}

void Outlet::Abandon() {
  Wake dropped;  // what it owns may call back into this object when it goes
  MutexLock lock(mutex_);
  abandoned_ = true;
  dropped.swap(wake_);
  Drop();
  room_.NotifyAll();
}

std::optional<coordinator::ClaimInfo> Outlet::claim() const {
  MutexLock lock(mutex_);
  return claim_;
}

void Outlet::WakeUp() {
  if (wake_) wake_();
}

bool StreamOutlet::HasRoomFor(int64_t bytes) const {
  if (pieces_.empty()) return true;  // a piece past the limit goes alone
  if (bytes_ + bytes > limits_.max_bytes) return false;
  if (static_cast<int>(pieces_.size()) >= limits_.max_pieces) return false;
  return bytes < kLargePieceBytes || large_pieces_ < limits_.max_large_pieces;
}

arrow::Status StreamOutlet::Write(std::shared_ptr<arrow::Buffer> bytes) {
  const int64_t size = bytes->size();
  MutexLock lock(mutex_);
  while (!over() && !HasRoomFor(size)) room_.Wait(mutex_);
  if (over()) return Gone();
  if (size == 0) return arrow::Status::OK();  // an empty chunk would end the body
  const bool was_empty = pieces_.empty();
  const bool was_large = bytes_ >= kLargePieceBytes;
  pieces_.push_back(std::move(bytes));
  bytes_ += size;
  if (size >= kLargePieceBytes) ++large_pieces_;
  // The connection looks again by itself after each Take; in between, only the first piece and the
  // one that makes waiting for more pointless are worth a wake-up.
  if (was_empty || (!was_large && bytes_ >= kLargePieceBytes)) WakeUp();
  return arrow::Status::OK();
}

StreamOutlet::View StreamOutlet::Peek() {
  MutexLock lock(mutex_);
  return View{.bytes = bytes_, .ended = ended_, .failure = failure_};
}

std::vector<std::shared_ptr<arrow::Buffer>> StreamOutlet::Take() {
  MutexLock lock(mutex_);
  auto taken = std::exchange(pieces_, {});
  bytes_ = 0;
  large_pieces_ = 0;
  room_.NotifyAll();
  return taken;
}

void StreamOutlet::Drop() {
  pieces_.clear();
  bytes_ = 0;
  large_pieces_ = 0;
}

arrow::Status WholeOutlet::Write(std::shared_ptr<arrow::Buffer> bytes) {
  MutexLock lock(mutex_);
  if (over()) return failure_.value_or(Gone());
  bytes_ += bytes->size();
  if (bytes_ > max_bytes_) {
    too_large_ = true;
    failure_ = MakeError(ErrorCode::kResourceExhausted,
                         "the result has more than " + std::to_string(max_bytes_) +
                             " bytes, the limit of this form; take it as a stream with the header "
                             "Accept: application/vnd.apache.arrow.stream (over HTTP/1.1)");
    Drop();
    WakeUp();
    return *failure_;
  }
  const std::string_view view(reinterpret_cast<const char*>(bytes->data()),
                              static_cast<size_t>(bytes->size()));
  if (base64_) {
    encoder_.Add(view);
  } else {
    body_.append(view);
  }
  return arrow::Status::OK();
}

void WholeOutlet::End() {
  MutexLock lock(mutex_);
  if (over()) return;
  if (base64_) encoder_.Finish();
  ended_ = true;
  WakeUp();
}

WholeOutlet::View WholeOutlet::Peek() const {
  MutexLock lock(mutex_);
  return View{.ended = ended_, .too_large = too_large_, .failure = failure_};
}

std::string WholeOutlet::TakeBody() {
  MutexLock lock(mutex_);
  return std::move(body_);
}

void WholeOutlet::Drop() { std::string().swap(body_); }

}  // namespace eider::rpc
