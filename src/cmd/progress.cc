#include "cmd/progress.h"

#include <cstdio>

#include "cmd/table.h"
#include "config/quantity.h"

namespace eider::cmd {
namespace {

// A query that ends sooner shows none.
constexpr std::chrono::milliseconds kDelay(500);
constexpr std::chrono::milliseconds kInterval(200);

}  // namespace

Progress::Progress(const ResultStream* stream, bool shown) : stream_(stream) {
  if (shown) thread_ = std::thread([this] { Run(); });
}

Progress::~Progress() { Stop(); }

void Progress::Stop() {
  {
    base::MutexLock lock(mutex_);
    stopped_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void Progress::Run() {
  const auto start = std::chrono::steady_clock::now();
  auto next = start + kDelay;
  bool drawn = false;
  base::MutexLock lock(mutex_);
  while (!stopped_) {
    if (changed_.WaitUntil(mutex_, next)) continue;
    const std::chrono::duration<double> seconds = next - start;
    std::fprintf(stderr, "\r\033[K%.1f s, %s rows, %s", seconds.count(),
                 GroupDigits(stream_->rows()).c_str(),
                 config::FormatBytes(stream_->bytes()).c_str());
    std::fflush(stderr);
    drawn = true;
    next += kInterval;
  }
  if (drawn) std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
}

}  // namespace eider::cmd
