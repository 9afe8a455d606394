#include "coordinator/history.h"

#include <chrono>
#include <utility>

namespace eider::coordinator {

namespace {

// About what it takes: its own size and its longer texts. As it was when the query ended.
size_t BytesOf(const QueryRecord& record) {
  constexpr size_t kTableBytes = 200;  // its places in the maps
  size_t bytes = sizeof(QueryRecord) + kTableBytes + record.sql.size() + record.client.size();
  if (record.error) bytes += record.error->message.size();
  for (const auto& attempt : record.attempts) bytes += sizeof(attempt) + attempt.reason.size();
  return bytes;
}

}  // namespace

std::string_view QueryRecord::state() const {
  if (!ended) return claimed ? "running" : "waiting";
  return error ? "failed" : "finished";
}

void History::Add(QueryRecord record) {
  if (record.sql.size() > kMaxSqlBytes) record.sql.resize(kMaxSqlBytes);
  record.submitted_wall_ms = clock_.WallMs();
  base::MutexLock lock(mutex_);
  sequence_of_[record.id] = next_sequence_;
  records_.emplace(next_sequence_++, std::move(record));
  Forget();
}

void History::Forget() {
  while (refused_.size() > kKept) ForgetOldest(refused_);
  while (ended_.size() > kKept) {
    const QueryRecord& oldest = records_.at(ended_.front());
    const bool recent = clock_.MonotonicMs() - oldest.ended_ms < kKeptMs;
    if (recent && ended_.size() <= kMaxKept && ended_bytes_ <= kMaxKeptBytes) return;
    ended_bytes_ -= oldest.kept_bytes;
    ForgetOldest(ended_);
  }
}

void History::ForgetOldest(std::deque<uint64_t>& ended) {
  const auto oldest = records_.find(ended.front());
  sequence_of_.erase(oldest->second.id);
  records_.erase(oldest);
  ended.pop_front();
}

QueryRecord* History::Get(const std::string& id) {
  const auto at = sequence_of_.find(id);
  return at == sequence_of_.end() ? nullptr : &records_.at(at->second);
}

void History::Update(const std::string& id, const std::function<void(QueryRecord&)>& change) {
  base::MutexLock lock(mutex_);
  QueryRecord* const record = Get(id);
  if (record == nullptr) return;
  change(*record);
  changed_.NotifyAll();
}

void History::End(const std::string& id, const std::optional<base::ErrorInfo>& error) {
  base::MutexLock lock(mutex_);
  QueryRecord* const record = Get(id);
  if (record == nullptr || record->ended) return;
  record->ended = true;
  record->error = error;
  record->ended_ms = clock_.MonotonicMs();
  if (!record->claimed) record->reported = true;
  if (!record->claimed && error && error->code == base::ErrorCode::kOverloaded) {
    refused_.push_back(sequence_of_.at(id));
  } else {
    record->kept_bytes = BytesOf(*record);
    ended_bytes_ += record->kept_bytes;
    ended_.push_back(sequence_of_.at(id));
  }
  changed_.NotifyAll();
}

std::optional<QueryRecord> History::Find(const std::string& id) {
  base::MutexLock lock(mutex_);
  const QueryRecord* const record = Get(id);
  return record == nullptr ? std::nullopt : std::optional<QueryRecord>(*record);
}

std::optional<QueryRecord> History::WaitForEnd(const std::string& id, int64_t wait_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
  base::MutexLock lock(mutex_);
  bool in_time = true;
  while (true) {
    const QueryRecord* const record = Get(id);
    if (record == nullptr) return std::nullopt;
    if ((record->ended && record->reported) || !in_time) return *record;
    in_time = changed_.WaitUntil(mutex_, deadline);
  }
}

std::vector<QueryRecord> History::Newest(size_t limit) const {
  base::MutexLock lock(mutex_);
  std::vector<QueryRecord> newest;
  for (auto at = records_.rbegin(); at != records_.rend() && newest.size() < limit; ++at) {
    newest.push_back(at->second);
  }
  return newest;
}

}  // namespace eider::coordinator
