#include "coordinator/orders.h"

#include <utility>

namespace eider::coordinator {

void Orders::Post(const std::string& worker_id, std::function<void()> order) {
  {
    base::MutexLock lock(mutex_);
    Lane& lane = lanes_[worker_id];
    lane.waiting.push_back(std::move(order));
    if (lane.under_way >= max_per_worker_) return;
    ++lane.under_way;
  }
  executor_.Post([this, worker_id] { Run(worker_id); });
}

void Orders::Run(const std::string& worker_id) {
  while (true) {
    std::function<void()> order;
    {
      base::MutexLock lock(mutex_);
      const auto at = lanes_.find(worker_id);
      Lane& lane = at->second;
      if (lane.waiting.empty()) {
        if (--lane.under_way == 0) lanes_.erase(at);
        return;
      }
      order = std::move(lane.waiting.front());
      lane.waiting.pop_front();
    }
    order();
  }
}

}  // namespace eider::coordinator
