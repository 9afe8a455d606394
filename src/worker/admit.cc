#include "worker/admit.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace eider::worker {
namespace {

using base::ErrorCode;
using base::MakeError;

// How long a revoked attempt's ticket is remembered: longer than any ticket lives unclaimed.
constexpr int64_t kRevokedMs = 600'000;

arrow::Status Denied(std::string why) {
  return MakeError(ErrorCode::kPermissionDenied, std::move(why));
}

// Who asks the coordinator again gets a ticket that is good.
arrow::Status TooLate(std::string why) {
  return MakeError(base::ErrorInfo{.code = ErrorCode::kPermissionDenied,
                                   .message = std::move(why),
                                   .retryable = true,
                                   .retry_after_ms = std::nullopt});
}

arrow::Status Overloaded(std::string why) {
  return MakeError(base::ErrorInfo{.code = ErrorCode::kOverloaded,
                                   .message = std::move(why),
                                   .retryable = true,
                                   .retry_after_ms = 100});
}

}  // namespace

void SlotPermit::Release() {
  if (Admission* admission = std::exchange(admission_, nullptr)) admission->ReleaseSlot();
}

Admission::Admission(std::string worker_id, std::string boot_id, int slots,
                     protocol::ClusterKey key, const base::Clock& clock)
    : worker_id_(std::move(worker_id)),
      boot_id_(std::move(boot_id)),
      slots_(slots),
      key_(std::move(key)),
      clock_(clock) {}

arrow::Result<Admitted> Admission::Admit(std::string_view sealed) {
  ARROW_ASSIGN_OR_RAISE(protocol::Ticket ticket, protocol::OpenTicket(sealed, key_));
  ARROW_RETURN_NOT_OK(
      CheckTarget("ticket", ticket.worker_id, ticket.boot_id, ticket.expires_at_ms));

  base::MutexLock lock(mutex_);
  tasks_.Forget(clock_.MonotonicMs());
  if (ticket.attempt.attempt <= tasks_.Newest(ticket.attempt.task_id)) {
    return Denied("the ticket of task " + ticket.attempt.task_id + ", attempt " +
                  std::to_string(ticket.attempt.attempt) +
                  ", was used already, cancelled, or replaced by a newer attempt's");
  }
  ARROW_RETURN_NOT_OK(CheckGate());
  if (occupied_ >= slots_) {
    return Overloaded("worker " + worker_id_ + " has all its " + std::to_string(slots_) +
                      " slots taken");
  }
  if (tasks_.full()) {
    return Overloaded("worker " + worker_id_ + " remembers too many tickets");
  }
  tasks_.Remember(ticket.attempt.task_id, ticket.attempt.attempt, ticket.expires_at_ms);
  ++occupied_;
  return Admitted{std::move(ticket), SlotPermit(this)};
}

arrow::Result<protocol::Command> Admission::AdmitCommand(std::string_view sealed) {
  ARROW_ASSIGN_OR_RAISE(protocol::Command command, protocol::OpenCommand(sealed, key_));
  ARROW_RETURN_NOT_OK(
      CheckTarget("command", command.worker_id, command.boot_id, command.expires_at_ms));

  base::MutexLock lock(mutex_);
  nonces_.Forget(clock_.MonotonicMs());
  if (nonces_.Newest(command.nonce) >= 0) return Denied("the command was carried out already");
  if (nonces_.full()) {
    return Overloaded("worker " + worker_id_ + " remembers too many commands");
  }
  nonces_.Remember(command.nonce, 0, command.expires_at_ms);
  return command;
}

bool Admission::Revoke(const protocol::AttemptId& attempt) {
  const int newest = attempt.attempt == 0 ? std::numeric_limits<int>::max() : attempt.attempt;
  const int64_t now_ms = clock_.MonotonicMs();
  base::MutexLock lock(mutex_);
  tasks_.Forget(now_ms);
  if (tasks_.full()) return false;
  const bool unused = tasks_.Newest(attempt.task_id) < attempt.attempt;
  tasks_.Remember(attempt.task_id, newest, now_ms + kRevokedMs);
  return unused && attempt.attempt > 0;
}

void Admission::Drain() {
  base::MutexLock lock(mutex_);
  draining_ = true;
}

bool Admission::draining() const {
  base::MutexLock lock(mutex_);
  return draining_;
}

void Admission::Withdraw(bool withdrawn) {
  base::MutexLock lock(mutex_);
  withdrawn_ = withdrawn;
}

int Admission::occupied() const {
  base::MutexLock lock(mutex_);
  return occupied_;
}

bool Admission::WaitIdleUntil(std::chrono::steady_clock::time_point deadline) {
  base::MutexLock lock(mutex_);
  while (occupied_ > 0) {
    if (!idle_.WaitUntil(mutex_, deadline)) return occupied_ == 0;
  }
  return true;
}

arrow::Status Admission::CheckTarget(const char* what, const std::string& worker_id,
                                     const std::string& boot_id, int64_t expires_at_ms) const {
  const std::string the = std::string("the ") + what;
  if (worker_id != worker_id_) {
    return Denied(the + " is for worker " + worker_id + ", this is " + worker_id_);
  }
  if (boot_id != boot_id_) return TooLate(the + " is for an earlier start of this worker");
  const int64_t late_ms = clock_.MonotonicMs() - expires_at_ms;
  if (late_ms >= 0) return TooLate(the + " expired " + std::to_string(late_ms) + " ms ago");
  return arrow::Status::OK();
}

arrow::Status Admission::CheckGate() const {
  if (draining_) return Overloaded("worker " + worker_id_ + " is draining");
  if (withdrawn_) return Overloaded("worker " + worker_id_ + " is reopening its engine");
  return arrow::Status::OK();
}

void Admission::ReleaseSlot() {
  base::MutexLock lock(mutex_);
  if (--occupied_ == 0) idle_.NotifyAll();
}

int Admission::Memory::Newest(const std::string& id) const {
  const auto entry = entries_.find(id);
  return entry == entries_.end() ? -1 : entry->second.newest;
}

void Admission::Memory::Remember(const std::string& id, int attempt, int64_t expires_at_ms) {
  Entry& entry = entries_[id];
  by_expiry_.erase({entry.expires_at_ms, id});
  entry.newest = std::max(entry.newest, attempt);
  entry.expires_at_ms = std::max(entry.expires_at_ms, expires_at_ms);
  by_expiry_.insert({entry.expires_at_ms, id});
}

void Admission::Memory::Forget(int64_t now_ms) {
  while (!by_expiry_.empty() && by_expiry_.begin()->first <= now_ms) {
    entries_.erase(by_expiry_.begin()->second);
    by_expiry_.erase(by_expiry_.begin());
  }
}

}  // namespace eider::worker
