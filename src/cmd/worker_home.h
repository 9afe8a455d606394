// A worker's own folder: its id across restarts, and the lock that keeps a second worker out.
#pragma once

#include <arrow/result.h>

#include <memory>
#include <string>

namespace eider::cmd {

// Holds the folder's lock while it lives. Not thread-safe.
class WorkerHome {
 public:
  // Makes `dir` and its parents where they are missing, locks the file `lock` in it, and takes
  // `id`, or where that is empty the id in the file `worker-id`, made at the first start.
  // Errors: Invalid, naming the folder, when it cannot be written, is another worker's (naming that
  // process) or holds an id that is not one.
  static arrow::Result<std::unique_ptr<WorkerHome>> Open(const std::string& dir,
                                                         const std::string& id);
  ~WorkerHome();
  WorkerHome(const WorkerHome&) = delete;
  WorkerHome& operator=(const WorkerHome&) = delete;

  const std::string& id() const { return id_; }
  // For the disk cache.
  std::string blocks_dir() const { return dir_ + "/blocks"; }
  // For DuckDB's spilled data.
  std::string temp_dir() const { return dir_ + "/tmp"; }

 private:
  WorkerHome(std::string dir, int lock_fd) : dir_(std::move(dir)), lock_fd_(lock_fd) {}

  const std::string dir_;
  const int lock_fd_;
  std::string id_;
};

}  // namespace eider::cmd
