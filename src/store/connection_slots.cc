#include "store/connection_slots.h"

namespace eider::store {

bool ConnectionSlots::Enter(uint64_t id, const std::string& host) {
  Host& entry = hosts_[host];
  if (!HasRoom(entry)) {
    entry.waiting.insert(id);
    return false;
  }
  ++entry.running;
  ++running_;
  return true;
}

std::optional<uint64_t> ConnectionSlots::Leave(const std::string& host) {
  --hosts_[host].running;
  --running_;
  EraseIfIdle(host);
  Host* next = nullptr;
  for (auto& [name, entry] : hosts_) {
    if (entry.waiting.empty() || !HasRoom(entry)) continue;
    if (next == nullptr || *entry.waiting.begin() < *next->waiting.begin()) next = &entry;
  }
  if (next == nullptr) return std::nullopt;
  const uint64_t id = *next->waiting.begin();
  next->waiting.erase(next->waiting.begin());
  ++next->running;
  ++running_;
  return id;
}

void ConnectionSlots::Forget(uint64_t id, const std::string& host) {
  const auto found = hosts_.find(host);
  if (found == hosts_.end()) return;
  found->second.waiting.erase(id);
  EraseIfIdle(host);
}

void ConnectionSlots::EraseIfIdle(const std::string& host) {
  const auto found = hosts_.find(host);
  if (found->second.running == 0 && found->second.waiting.empty()) hosts_.erase(found);
}

}  // namespace eider::store
