#include "coordinator/notices.h"

#include <chrono>
#include <optional>
#include <utility>

namespace eider::coordinator {
namespace {

// "s3://b/" of "s3://b/x/k".
std::string BucketOf(const std::string& url) {
  const size_t scheme = url.find("://");
  const size_t slash = url.find('/', scheme == std::string::npos ? 0 : scheme + 3);
  return slash == std::string::npos ? url + "/" : url.substr(0, slash + 1);
}

}  // namespace

Notices::Notices(Options options, const Membership& membership, Orders& orders, Tell tell, Log log)
    : options_(options),
      membership_(membership),
      orders_(orders),
      tell_(std::move(tell)),
      log_(std::move(log)) {}

void Notices::Expect(const std::string& query_id) {
  base::MutexLock lock(mutex_);
  writes_[query_id] = {};
}

void Notices::Written(const std::string& query_id, const std::string& writer_id,
                      const std::vector<std::string>& urls) {
  std::vector<std::string> others;
  {
    // Under the lock: a worker that is away now comes up past what it is owed.
    base::MutexLock lock(mutex_);
    if (!urls.empty()) others = Others(writer_id, urls);
    if (const auto at = writes_.find(query_id); at != writes_.end()) {
      at->second.reported = true;
      at->second.untold += static_cast<int>(others.size());
    }
  }
  changed_.NotifyAll();
  for (const std::string& id : others) {
    orders_.Post(id, [this, query_id, id, urls] { TellOne(query_id, id, urls); });
  }
}

std::vector<std::string> Notices::Others(const std::string& writer_id,
                                         const std::vector<std::string>& urls) {
  std::vector<std::string> up;
  std::set<std::string> known;
  for (const WorkerInfo& worker : membership_.All()) {
    const std::string& id = worker.hello.worker_id;
    known.insert(id);
    if (id.empty() || id == writer_id) continue;
    if (worker.up) {
      up.push_back(id);
    } else {
      Owe(id, urls);
    }
  }
  std::erase_if(owed_, [&](const auto& entry) { return !known.contains(entry.first); });
  return up;
}

void Notices::TellOne(const std::string& query_id, const std::string& worker_id,
                      const std::vector<std::string>& urls) {
  const arrow::Status told = Try(worker_id, urls);
  bool back = false;
  {
    base::MutexLock lock(mutex_);
    if (!told.ok()) Owe(worker_id, urls);
    back = told.IsKeyError() && !stopped_ && membership_.Find(worker_id).has_value();
    if (const auto at = writes_.find(query_id); at != writes_.end()) --at->second.untold;
  }
  changed_.NotifyAll();
  if (back) return OnWorkerUp(worker_id);
  if (!told.ok()) {
    log_(true, "worker " + worker_id + " was not told what query " + query_id +
                   " wrote, and may read what it has cached of it for as long as --revalidate: " +
                   told.message());
  }
}

arrow::Status Notices::Try(const std::string& worker_id, const std::vector<std::string>& urls) {
  arrow::Status told;
  for (int i = 0; i < options_.tries && !stopped(); ++i) {
    const std::optional<WorkerInfo> worker = membership_.Find(worker_id);
    if (!worker) return arrow::Status::KeyError("it is away");
    told = tell_(*worker, urls);
    if (told.ok()) return told;
  }
  return told.ok() ? arrow::Status::Cancelled("the coordinator stops") : told;
}

void Notices::Owe(const std::string& worker_id, const std::vector<std::string>& urls) {
  std::set<std::string>& owed = owed_[worker_id];
  owed.insert(urls.begin(), urls.end());
  if (owed.size() <= options_.max_owed) return;
  std::set<std::string> buckets;
  for (const std::string& url : owed) buckets.insert(BucketOf(url));
  owed = std::move(buckets);
}

void Notices::Wait(const std::string& query_id, const std::string& writer_id) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(options_.wait_ms);
  base::MutexLock lock(mutex_);
  if (const auto at = writes_.find(query_id); at != writes_.end()) {
    at->second.writer_id = writer_id;
    if (!membership_.Find(writer_id)) at->second.reported = true;
  }
  while (!stopped_) {
    const auto at = writes_.find(query_id);
    if (at == writes_.end() || (at->second.reported && at->second.untold == 0)) return;
    if (!changed_.WaitUntil(mutex_, deadline)) return;
  }
}

void Notices::Forget(const std::string& query_id) {
  {
    base::MutexLock lock(mutex_);
    writes_.erase(query_id);
  }
  changed_.NotifyAll();
}

void Notices::OnWorkerUp(const std::string& worker_id) {
  std::vector<std::string> urls;
  {
    base::MutexLock lock(mutex_);
    const auto at = owed_.find(worker_id);
    if (at == owed_.end()) return;
    urls.assign(at->second.begin(), at->second.end());
    owed_.erase(at);
  }
  orders_.Post(worker_id, [this, worker_id, urls] { TellOne("", worker_id, urls); });
}

void Notices::OnWorkerDown(const std::string& worker_id) {
  {
    base::MutexLock lock(mutex_);
    // What it wrote, it will not say any more.
    for (auto& [query_id, write] : writes_) {
      if (write.writer_id == worker_id) write.reported = true;
    }
  }
  changed_.NotifyAll();
}

void Notices::Stop() {
  {
    base::MutexLock lock(mutex_);
    stopped_ = true;
  }
  changed_.NotifyAll();
}

bool Notices::stopped() const {
  base::MutexLock lock(mutex_);
  return stopped_;
}

}  // namespace eider::coordinator
