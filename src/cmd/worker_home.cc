#include "cmd/worker_home.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/random.h"

namespace eider::cmd {
namespace {

namespace fs = std::filesystem;
constexpr size_t kMaxIdBytes = 128;

bool IsId(const std::string& id) {
  return !id.empty() && id.size() <= kMaxIdBytes &&
         std::all_of(id.begin(), id.end(), [](unsigned char c) { return c > ' ' && c < 127; });
}

arrow::Status Unusable(const std::string& dir, const std::string& why) {
  return arrow::Status::Invalid("the cache directory ", dir, " ", why,
                                ": give another with --cache-dir");
}

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

arrow::Result<int> Lock(const std::string& dir) {
  const std::string path = dir + "/lock";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Unusable(dir, std::string("cannot be written: ") + std::strerror(errno));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    const std::string owner = FirstLine(path);
    return Unusable(dir, "is in use by process " + (owner.empty() ? "(unknown)" : owner));
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(fd, 0) != 0 || write(fd, pid.data(), pid.size()) != ssize_t(pid.size())) {
    const std::string why = std::strerror(errno);
    close(fd);
    return Unusable(dir, "cannot be written: " + why);
  }
  return fd;
}

// Written whole or not at all, so that a crash leaves no empty id.
arrow::Status WriteId(const std::string& dir, const std::string& id) {
  const std::string path = dir + "/worker-id";
  const std::string fresh = path + ".new";
  {
    std::ofstream file(fresh);
    file << id << "\n";
    file.close();
    if (!file) return Unusable(dir, "cannot be written");
  }
  std::error_code error;
  fs::rename(fresh, path, error);
  return error ? Unusable(dir, "cannot be written: " + error.message()) : arrow::Status::OK();
}

arrow::Result<std::string> ReadOrMakeId(const std::string& dir) {
  const std::string path = dir + "/worker-id";
  std::error_code error;
  if (fs::exists(path, error)) {
    std::string id = FirstLine(path);
    if (!IsId(id)) return Unusable(dir, "has a file worker-id that holds no id");
    return id;
  }
  std::string id = "w-" + base::RandomHex(4);
  ARROW_RETURN_NOT_OK(WriteId(dir, id));
  return id;
}

}  // namespace

arrow::Result<std::unique_ptr<WorkerHome>> WorkerHome::Open(const std::string& dir,
                                                            const std::string& id) {
  if (!id.empty() && !IsId(id)) {
    return arrow::Status::Invalid("--id is '", id, "' but takes up to ", kMaxIdBytes,
                                  " printable ASCII characters without spaces");
  }
  std::error_code error;
  fs::create_directories(dir, error);
  if (error) return Unusable(dir, "cannot be made: " + error.message());
  ARROW_ASSIGN_OR_RAISE(const int lock_fd, Lock(dir));
  std::unique_ptr<WorkerHome> home(new WorkerHome(dir, lock_fd));
  home->id_ = id;
  if (id.empty()) {
    ARROW_ASSIGN_OR_RAISE(home->id_, ReadOrMakeId(dir));
  }
  return home;
}

WorkerHome::~WorkerHome() { close(lock_fd_); }

}  // namespace eider::cmd
