// Admission: whether a ticket is good here and now, and a slot to run it in.
#pragma once

#include <arrow/result.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"
#include "protocol/cluster_key.h"
#include "protocol/message.h"
#include "protocol/ticket.h"

namespace eider::worker {

class Admission;

// A slot, held for as long as this lives. Moves; the Admission must outlive it.
class SlotPermit {
 public:
  SlotPermit() = default;
  explicit SlotPermit(Admission* admission) : admission_(admission) {}
  SlotPermit(SlotPermit&& other) noexcept : admission_(std::exchange(other.admission_, nullptr)) {}
  SlotPermit& operator=(SlotPermit&& other) noexcept {
    std::swap(admission_, other.admission_);
    return *this;
  }
  ~SlotPermit() { Release(); }

  // Gives the slot back now; afterwards there is nothing to give.
  void Release();

 private:
  Admission* admission_ = nullptr;
};

struct Admitted {
  protocol::Ticket ticket;
  SlotPermit permit;
};

// Checks tickets and commands, counts slots. Thread-safe.
class Admission {
 public:
  // Past this many remembered tasks (or command nonces) new ones are refused until old ones expire.
  static constexpr size_t kMaxRemembered = 65'536;

  Admission(std::string worker_id, std::string boot_id, int slots, protocol::ClusterKey key,
            const base::Clock& clock);

  // Errors: PERMISSION_DENIED for a ticket that is forged, for another worker or boot, expired,
  // used already, or of an attempt not newer than one seen (retryable where it came too late: for
  // an earlier boot, or expired); OVERLOADED when no slot is free or the gate is closed. A ticket
  // refused as OVERLOADED may be brought again.
  arrow::Result<Admitted> Admit(std::string_view sealed);

  // The command in `sealed`, once. Errors: PERMISSION_DENIED as for a ticket.
  arrow::Result<protocol::Command> AdmitCommand(std::string_view sealed);

  // Refuses later tickets of this attempt and older ones (attempt 0: all of the task's). Whether
  // the attempt, which is not 0, had not come yet: it never runs then.
  bool Revoke(const protocol::AttemptId& attempt);

  // Closes the gate for good.
  void Drain();
  bool draining() const;
  // Closes the gate while the engine is rebuilt, and opens it again.
  void Withdraw(bool withdrawn);

  int slots() const { return slots_; }
  int occupied() const;
  // Waits until no slot is taken; false when `deadline` came first.
  bool WaitIdleUntil(std::chrono::steady_clock::time_point deadline);

 private:
  friend class SlotPermit;

  // The newest attempt seen of each task (or nonce), until it expires.
  class Memory {
   public:
    // The newest attempt of `id`, or -1.
    int Newest(const std::string& id) const;
    bool full() const { return entries_.size() >= kMaxRemembered; }
    void Remember(const std::string& id, int attempt, int64_t expires_at_ms);
    void Forget(int64_t now_ms);

   private:
    struct Entry {
      int newest = -1;
      int64_t expires_at_ms = 0;
    };
    std::unordered_map<std::string, Entry> entries_;
    std::set<std::pair<int64_t, std::string>> by_expiry_;  // one for each entry
  };

  arrow::Status CheckTarget(const char* what, const std::string& worker_id,
                            const std::string& boot_id, int64_t expires_at_ms) const;
  arrow::Status CheckGate() const EIDER_REQUIRES(mutex_);
  void ReleaseSlot();

  const std::string worker_id_;
  const std::string boot_id_;
  const int slots_;
  const protocol::ClusterKey key_;
  const base::Clock& clock_;

  mutable base::Mutex mutex_;
  base::CondVar idle_;
  int occupied_ EIDER_GUARDED_BY(mutex_) = 0;
  bool draining_ EIDER_GUARDED_BY(mutex_) = false;
  bool withdrawn_ EIDER_GUARDED_BY(mutex_) = false;
  Memory tasks_ EIDER_GUARDED_BY(mutex_);
  Memory nonces_ EIDER_GUARDED_BY(mutex_);
};

}  // namespace eider::worker
